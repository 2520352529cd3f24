"""Which comparisons a claim asks of a study: pure, from the claim, the study and its languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.claims.pooled import Cells
from xstilts.analysis.language_groups import ENGLISH
from xstilts.config.claims import OFFICIAL, OWN, BestCondition, Gain, LowMinusRest, Slope
from xstilts.config.conditions import parse_condition
from xstilts.metrics.averages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.config.claims import Comparisons, Definition

XTREME = LANGUAGES["xtreme"]
MeasureOfScores = Gain | LowMinusRest | Slope | BestCondition


def definitions(measure: MeasureOfScores) -> list[Definition]:
    """The definitions of low-resource that a measure is taken under, the primary one first."""
    if isinstance(measure, LowMinusRest):
        return measure.definitions
    low = isinstance(measure, Gain) and measure.languages == "low_resource"
    return measure.definitions if isinstance(measure, Gain) and low else ["joshi"]


def is_about_low_resource(measure: MeasureOfScores) -> bool:
    """Whether the floor decides: baselines of low-resource languages are often mere guesses."""
    if isinstance(measure, LowMinusRest | Slope):
        return True
    return measure.languages == "low_resource"


def pairs(measure: Comparisons, evidence: Evidence) -> list[tuple[str, str]]:
    """Each condition with what it is compared with, never with itself."""
    if measure.pairs:
        return list(measure.pairs.items())
    conditions, against = evidence.conditions(measure.conditions), measure.against
    others = evidence.conditions(against)
    return [(name, other) for name in conditions for other in others if name != other]


def cells(
    measure: Comparisons, evidence: Evidence, encoder: str, definition: Definition
) -> list[Cells]:
    """The comparisons of a measure, each with the targets that have languages for it."""
    low = evidence.low_resource(encoder, definition)
    found = []
    for condition, against in pairs(measure, evidence):
        codes = _codes(measure, condition, evidence, low)
        targets = [
            name
            for name in evidence.targets(measure.targets)
            if _is_asked(measure, evidence.resolved.languages[name], codes, evidence, low)
        ]
        parts = [(name,) for name in targets] if measure.targets_apart else [tuple(targets)]
        found += [Cells(condition, against, part, codes) for part in parts if part]
    return found


def official_languages(measure: MeasureOfScores, evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """The languages of each target that XTREME scores; empty if the measure is not about these."""
    if isinstance(measure, LowMinusRest | Slope) or measure.languages != OFFICIAL:
        return {}
    return {name: XTREME[name] for name in evidence.targets(measure.targets) if name in XTREME}


def codes_of(choice: str, offered: Iterable[str], low: Mapping[str, bool]) -> frozenset[str]:
    """The languages among ``offered`` that a choice names: all, xtreme, zero_shot or low_resource.

    ``low``: whether a language is low-resource, as far as that is known.
    """
    if choice in ("all", OFFICIAL):  # a study that lacks an official language is not judged
        return frozenset(offered)
    foreign = (code for code in offered if code != ENGLISH)
    return frozenset(c for c in foreign if choice == "zero_shot" or low.get(c))


def _codes(
    measure: Comparisons, condition: str, evidence: Evidence, low: Mapping[str, bool]
) -> frozenset[str]:
    offered = evidence.codes
    if not isinstance(measure, Gain):  # these measures leave English out
        return offered - {ENGLISH}
    if measure.languages == OWN:
        return frozenset(parse_condition(condition).languages) & offered
    if isinstance(measure.languages, list):
        return frozenset(measure.languages) & offered
    return codes_of(measure.languages, offered, low)


def _is_asked(
    measure: Comparisons,
    languages: Collection[str],
    codes: frozenset[str],
    evidence: Evidence,
    low: Mapping[str, bool],
) -> bool:
    """Whether a target has the languages that a measure needs."""
    chosen = codes.intersection(languages)
    if isinstance(measure, LowMinusRest):
        return {low[code] for code in chosen if code in low} == {True, False}
    if isinstance(measure, Slope):
        known = (evidence.languages[code] for code in chosen if code in evidence.languages)
        return len({language.resource_level for language in known} - {None}) > 1
    return bool(chosen)
