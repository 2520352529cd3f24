"""The authors that a card's citation names, as entities of a crate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORK = re.compile(r"(?:[a-z ]+: )?(?P<names>[^:;]+?) (?P<year>\d{4})\b")
_GROUPS = ("Team", "Foundation", "Consortium")
"""Last words of names that are no person's."""


class Author(NamedTuple):
    """Somebody whom a citation names; the year tells authors of one family name apart."""

    name: str
    year: str

    @property
    def identity(self) -> str:
        """The author's name in a crate."""
        return f"#author/{quote(self.name)}-{self.year}"

    def entity(self) -> dict[str, Any]:
        """The author as a crate describes one."""
        kind = "Organization" if self.name.endswith(_GROUPS) else "Person"
        return {"@id": self.identity, "@type": kind, "name": self.name}


def authors(citation: str) -> Iterator[Author]:
    """The authors of each work of a citation; of "and others", the first.

    Works are separated by semicolons and begin with names and year, perhaps after what they are
    cited for. A work without a year names nobody.

    >>> [author.name for author in authors("Roe and Coe 2019, A Set (ACL); split: Poe et al. 2020")]
    ['Roe', 'Coe', 'Poe']
    """
    for work in citation.split("; "):
        if found := _WORK.match(work):
            names = re.split(r", | and ", found["names"].removesuffix(" et al."))
            yield from (Author(name, found["year"]) for name in names)
