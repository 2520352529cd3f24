"""The table of languages: how well each is resourced, and which encoders have seen it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xstilts.config.tables import read_table
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SEEN_BY = "seen_by_"
"""Columns of the table that begin so say which languages a family of encoders was pretrained on."""


@dataclass(frozen=True)
class Language:
    """A language and how well it is resourced; None means unknown.

    ``seen``: whether each family of encoders was pretrained on text of the language, by family; a
    family for which that is unknown is not a key.
    """

    code: str
    name: str
    script: str | None
    family: str | None
    joshi_class: int | None
    cc100_gib: float | None
    seen: Mapping[str, bool] = field(default_factory=dict, hash=False)

    @property
    def low_resource(self) -> bool | None:
        """Joshi et al. (2020) class 0, 1 or 2; None where the class is not known."""
        return None if self.joshi_class is None else self.joshi_class <= 2

    @property
    def text_gib(self) -> float | None:
        """GiB of text in CC-100, XLM-R's corpus; 0 where it has none, None where not known."""
        return 0.0 if self.seen.get("xlmr") is False else self.cc100_gib

    @property
    def resource_level(self) -> float | None:
        """log10 of `text_gib` plus 0.01, from -2 to about 2.5; None where the size is not known."""
        return None if self.text_gib is None else math.log10(self.text_gib + 0.01)

    def seen_by(self, pretraining: str | None) -> bool | None:
        """Whether a family of encoders was pretrained on it; None where that is not known.

        ``pretraining``: the family, as the card of an encoder names it; None is known of nothing.
        """
        return None if pretraining is None else self.seen.get(pretraining)


def read_languages(path: Path) -> dict[str, Language]:
    """Read ``config/languages.tsv``; its header comment says where each column comes from.

    Raises `StudyError` for a table that cannot be read and for a code that BCP 47 does not allow.
    """
    from langcodes import tag_is_valid

    try:
        languages = {row["code"]: _language(row) for row in read_table(path)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: cannot be read: {error!r}") from error
    if wrong := [code for code in languages if not tag_is_valid(code)]:
        raise StudyError(
            f"{path}: {wrong[0]!r:.40} is no language code of BCP 47, such as sw, nij or ace_Arab"
        )
    return languages


def read_families(path: Path) -> list[str]:
    """The families of encoders that the table has a column ``seen_by_<family>`` for."""
    rows = read_table(path)
    columns = rows[0] if rows else {}
    return [name.removeprefix(SEEN_BY) for name in columns if name.startswith(SEEN_BY)]


def table_of(languages: Iterable[Language]) -> str:
    """The table of some languages by code, as `read_languages` reads it."""
    ordered = sorted(languages, key=lambda language: language.code)
    families = sorted({family for language in ordered for family in language.seen})
    columns = [*_COLUMNS, *(SEEN_BY + family for family in families)]
    rows = (
        [getattr(x, name) for name in _COLUMNS] + [x.seen.get(family) for family in families]
        for x in ordered
    )
    lines = [columns, *([_cell(value) for value in row] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: str | float | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


_COLUMNS = ("code", "name", "script", "family", "joshi_class", "cc100_gib")


def _language(row: dict[str, str]) -> Language:
    seen = {
        column.removeprefix(SEEN_BY): {"yes": True, "no": False}[value]
        for column, value in row.items()
        if column.startswith(SEEN_BY) and value
    }
    return Language(
        code=row["code"],
        name=row["name"],
        script=row["script"] or None,
        family=row["family"] or None,
        joshi_class=int(row["joshi_class"]) if row["joshi_class"] else None,
        cc100_gib=float(row["cc100_gib"]) if row["cc100_gib"] else None,
        seen=seen,
    )
