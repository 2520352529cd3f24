"""What names of files, configurations and splits say: a language, or train, dev or test."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from langcodes import Language as Tag
from langcodes import standardize_tag, tag_is_valid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xstilts.config.languages import Language

_SPLITS = {
    "train": ("train", "training"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEPARATORS = (r"[/.]", r"[/.\-]", r"[/._\- ]")
"""Ends of a piece of a path: ``swh_Latn`` is looked at as a whole before its parts are."""


def split_of(name: str) -> str | None:
    """The split that a piece of a name stands for, None if it stands for none.

    >>> split_of("data/validation-00000-of-00001.parquet")
    'dev'
    """
    pieces = set(re.split(_SEPARATORS[-1], name.lower()))
    found = [split for split, words in _SPLITS.items() if pieces.intersection(words)]
    return found[0] if len(found) == 1 else None


class LanguageNames:
    """Codes and names of the languages of a table, however a data set writes them."""

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self._languages = languages

    def code_of(self, written: str) -> str | None:
        """Our code of a language: ``sw`` of ``sw``, ``swa``, ``swh_Latn`` and ``Swahili``."""
        if written in self._languages:
            return written
        if named := self._by_name.get(written.lower()):
            return named
        tag = written.replace("_", "-")
        if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-[A-Za-z]{2})?", tag):
            return None
        if not tag_is_valid(tag):
            return None
        # the tag's own language first: the standard form of Dari (prs) is a Persian (fa)
        own, standard = tag.split("-")[0], standardize_tag(tag).replace("-", "_")
        for candidate in (standard, own, Tag.get(tag).language):
            if candidate in self._languages:
                return candidate
        return self._by_macrolanguage.get(_macrolanguage(tag))

    def piece_of(self, path: str) -> str | None:
        """The one piece of a path that is a language, as the path writes it; None without one."""
        for separators in _SEPARATORS:
            pieces = [piece for piece in re.split(separators, path) if split_of(piece) is None]
            found = {piece for piece in pieces if self.code_of(piece)}
            if len(found) == 1:
                return found.pop()
        return None

    @cached_property
    def _by_macrolanguage(self) -> dict[str, str]:
        """Of codes without a script; the shortest where several are of one macrolanguage."""
        plain = sorted((c for c in self._languages if "_" not in c), key=len, reverse=True)
        return {_macrolanguage(code): code for code in plain}

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {language.name.lower(): code for code, language in self._languages.items()}


def _macrolanguage(tag: str) -> str:
    """The macrolanguage of a tag, or its language: ``ay`` of ``ayr-Latn`` and of ``aym``."""
    return standardize_tag(tag, macro=True).split("-")[0]


def with_place(path: str, piece: str) -> str:
    """A path with ``{code}`` where a piece of it stands.

    >>> with_place("ne/test.ne.tsv", "ne")
    '{code}/test.{code}.tsv'
    """
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(piece)}(?![A-Za-z0-9])", "{code}", path)
