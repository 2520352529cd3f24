"""Whether downloaded bytes can be the file that a card means, before their sha256 is recorded.

A server that wants a login, a proxy or an error page answer with a page of HTML; a connection that
breaks off behind a proxy leaves half a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_SEEN = 1024
"""Bytes of the beginning and of the end that are looked at."""
_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_FORMS = {
    ".json": (rb"[{\[]", rb"[}\]]"),
    ".jsonl": (rb"\{", rb"\}"),
    ".parquet": (rb"PAR1", rb"PAR1"),
    ".xml": (rb"<", rb">"),
}
"""How files begin and end, without white space, by the end of their name."""


def check_content(file: Path, name: str) -> None:
    """Raise `SourceUnavailable` for an empty file, for a page of HTML and for half a file.

    ``name`` is the file's name in the card, whose end says what it holds.
    """
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        begin = stream.read(_SEEN)
        stream.seek(max(size - _SEEN, 0))
        end = stream.read()
    if not begin:
        raise SourceUnavailable("gave an empty file")
    if _PAGE.match(begin) and not name.endswith((".html", ".htm")):
        raise SourceUnavailable(
            "gave a page of HTML in the place of the file: a page for a login, or of an error"
        )
    form = next((form for suffix, form in _FORMS.items() if name.endswith(suffix)), None)
    if form is None:
        return
    first, last = form
    if not re.match(first, begin.removeprefix(b"\xef\xbb\xbf").lstrip()):
        raise SourceUnavailable(f"gave a file that does not begin like {name}: {begin[:40]!r}")
    if not re.search(rb"(?:%b)\s*\Z" % last, end):
        raise SourceUnavailable(f"gave a file that does not end like {name}: {end[-40:]!r}")
