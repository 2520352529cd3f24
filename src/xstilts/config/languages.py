"""The table of languages: how well each is resourced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xstilts.config.tables import read_table
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Language:
    """A language and how well it is resourced; None means unknown."""

    code: str
    name: str
    script: str | None
    family: str | None
    joshi_class: int | None
    cc100_gib: float | None
    seen_by_xlmr: bool | None

    @property
    def low_resource(self) -> bool | None:
        """Joshi et al. (2020) class 0, 1 or 2; None where the class is not known."""
        return None if self.joshi_class is None else self.joshi_class <= 2


def read_languages(path: Path) -> dict[str, Language]:
    """Read ``config/languages.tsv``; its header comment says where each column comes from."""
    try:
        return {row["code"]: _language(row) for row in read_table(path)}
    except (KeyError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: cannot be read: {error!r}") from error


def _language(row: dict[str, str]) -> Language:
    return Language(
        code=row["code"],
        name=row["name"],
        script=row["script"] or None,
        family=row["family"] or None,
        joshi_class=int(row["joshi_class"]) if row["joshi_class"] else None,
        cc100_gib=float(row["cc100_gib"]) if row["cc100_gib"] else None,
        seen_by_xlmr=row["seen_by_xlmr"] == "yes" if row["seen_by_xlmr"] else None,
    )
