"""The order of languages by resource level, and the words for a level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xstilts.analysis.language_groups import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xstilts.config.languages import Language


def level_of(code: str, languages: Mapping[str, Language]) -> str:
    """``class 2``, ``class unknown`` or ``English``: the Joshi class of a language in words."""
    if code == ENGLISH:
        return "English"
    language = languages.get(code)
    known = language is not None and language.joshi_class is not None
    return f"class {language.joshi_class}" if language and known else "class unknown"


def ordered_by_level(codes: Iterable[str], languages: Mapping[str, Language]) -> list[str]:
    """The least resourced first: by Joshi class, then by CC-100 size; unknown classes last."""

    def order(code: str) -> tuple[bool, int, float, str]:
        language = languages.get(code)
        if language is None:
            return True, 0, 0.0, code
        size = language.resource_level
        return (
            language.joshi_class is None,
            language.joshi_class or 0,
            -math.inf if size is None else size,
            code,
        )

    return sorted(codes, key=order)


def name_of(code: str, languages: Mapping[str, Language]) -> str:
    """The name of a language; its code where the table of languages does not have it."""
    language = languages.get(code)
    return language.name if language else code
