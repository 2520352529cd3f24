"""Groups of languages: by resource level, and by whether an encoder saw them in pretraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.config.languages import Language

ENGLISH = "en"

ALL = "all"
ZERO_SHOT = "non-English"
LOW = "low-resource"
OTHER = "other"
UNKNOWN = "unknown class"
GROUPS = (ALL, ZERO_SHOT, LOW, OTHER, UNKNOWN)
"""Groups of languages. ``all`` includes English; ``non-English`` are the zero-shot languages, which
the last three split by Joshi class (0-2, 3-5, unknown)."""

Covariate = Literal["seen", "script"]
"""What may explain a slope on the resource level: whether the encoder was pretrained on text of the
language, and whether the language is written in Latin script, as English is."""
Definition = Literal["joshi", "unseen", "size"]
"""Of low-resource: Joshi class 0-2; not in the encoder's pretraining data; less than `SMALL_GIB`
of CC-100."""
DEFINITIONS: tuple[Definition, ...] = ("joshi", "unseen", "size")
SMALL_GIB = 1.0
"""A language with less text in CC-100, in GiB, is low-resource by size."""


def group_of(code: str, languages: Mapping[str, Language]) -> str | None:
    """The zero-shot group of a language: low-resource, other or unknown class; None for English.

    The encoder was fine-tuned on English, so a gain on English is not transfer.
    """
    if code == ENGLISH:
        return None
    low = languages[code].low_resource if code in languages else None
    return UNKNOWN if low is None else LOW if low else OTHER


def members(group: str, codes: Sequence[str], languages: Mapping[str, Language]) -> list[str]:
    """The languages among ``codes`` that belong to a group, in the order of ``codes``."""
    if group == ALL:
        return list(codes)
    if group == ZERO_SHOT:
        return [code for code in codes if code != ENGLISH]
    return [code for code in codes if group_of(code, languages) == group]


def is_low(
    language: Language, definition: Definition, pretraining: str | None = None
) -> bool | None:
    """Whether a language is low-resource by a definition; None where that is not known.

    ``pretraining``: the family of the encoder, which ``unseen`` depends on.
    """
    if definition == "joshi":
        return language.low_resource
    if definition == "unseen":
        seen = language.seen_by(pretraining)
        return None if seen is None else not seen
    return None if language.text_gib is None else language.text_gib < SMALL_GIB


def covariate(language: Language, name: Covariate, pretraining: str | None) -> float | None:
    """A covariate as 0 or 1; None where it is not known. ``pretraining``: as for `is_low`."""
    if name == "seen":
        seen = language.seen_by(pretraining)
        return None if seen is None else float(seen)
    return None if language.script is None else float(language.script == "Latn")
