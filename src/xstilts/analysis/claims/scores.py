"""Claims about scores: comparisons of conditions, and the rules that judge them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypedDict

from xstilts.analysis.claims import sentences
from xstilts.analysis.claims.pooled import Cells, is_of, pooled, union
from xstilts.analysis.claims.questions import (
    MeasureOfScores,
    cells,
    codes_of,
    definitions,
    is_about_low_resource,
)
from xstilts.analysis.claims.result import ClaimResult, Comparison, Verdict
from xstilts.analysis.claims.rules import Facts, Judged, holds
from xstilts.config.claims import EVERY, BestCondition, Comparisons, Gain, LowMinusRest, Slope
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.analysis.statistics.contrast import Contrast
    from xstilts.analysis.statistics.questions import Analysis
    from xstilts.analysis.statistics.scales import Scale
    from xstilts.config.claims import Claim, Definition, Estimand, Test

BEST = "best condition"
Floor = Literal["", "above the floor", "logit scale"]
"""The scores as they are, without cells whose baseline only guesses, or on the logit scale."""


@dataclass(frozen=True)
class Measured:
    """The comparisons of a claim under one definition, and their mean."""

    comparisons: tuple[Comparison, ...]
    mean: Comparison | None
    margin: float
    test: Test = "interval"

    def verdict(self, claim: Claim, estimand: Estimand) -> Verdict:
        """The verdict by the claim's rules; inconclusive where they contradict each other."""

        def judged(comparison: Comparison | None) -> Judged:
            if comparison is None:
                return Judged(None)
            return Judged(comparison.uncertainty(estimand), comparison.published)

        mean = self.mean or (self.comparisons[0] if len(self.comparisons) == 1 else None)
        comparisons = tuple(map(judged, self.comparisons))
        facts = Facts(comparisons, judged(mean), self.margin, self.test)
        supported = holds(claim.rule("supported"), facts)
        contradicted = holds(claim.rule("contradicted"), facts)
        if supported != contradicted:
            return "supported" if supported else "contradicted"
        if not supported and holds(claim.rule("negligible"), facts):
            return "negligible"
        return "inconclusive"


def judge_scores(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """The verdict on a claim about scores of ``result.encoder``."""
    measure = claim.measure
    assert isinstance(measure, MeasureOfScores)
    result = replace(
        result,
        estimand=measure.estimand,
        unit="points for ten times as much text" if isinstance(measure, Slope) else "points",
    )
    if lacking := _lacking(measure, claim, result, evidence):
        return lacking
    names = definitions(measure)
    measured = measure_scores(claim, evidence, result.encoder, names[0])
    verdict = measured.verdict(claim, measure.estimand)
    others = _others(claim, evidence, result.encoder, measured)
    disagreement = sentences.disagreement(
        {name: found for name, found in others.items() if found != verdict}
    )
    depends = sorted({str(n) for n, found in others.items() if n in _FLOORS and found != verdict})
    if is_about_low_resource(measure) and depends and verdict != "inconclusive":
        verdict = "inconclusive"
        disagreement = sentences.depends_on_the_floor(disagreement)
    result = replace(
        result, contrasts=measured.comparisons, mean=measured.mean, disagreement=disagreement
    )
    return result.judged(verdict, sentences.of_scores(result, verdict))


_FLOORS: tuple[Floor, ...] = ("above the floor", "logit scale")


def _others(
    claim: Claim, evidence: Evidence, encoder: str, measured: Measured
) -> dict[str, Verdict]:
    """The verdicts by the other estimand, other definitions and other treatments of the floor."""
    measure = claim.measure
    assert isinstance(measure, MeasureOfScores)
    first, *rest = definitions(measure)
    found: dict[str, Verdict] = {}
    if measure.estimand == "these_languages":
        found["languages like these"] = measured.verdict(claim, "languages_like_these")
    for name in rest:
        other = measure_scores(claim, evidence, encoder, name)
        if other.comparisons:
            found[f"low-resource by {name}"] = other.verdict(claim, measure.estimand)
    if is_about_low_resource(measure):
        for floor in _FLOORS:
            if floor == "above the floor" and not evidence.guessing(encoder):
                continue
            other = measure_scores(claim, evidence, encoder, first, floor)
            if other.comparisons:
                found[floor] = other.verdict(claim, measure.estimand)
    return found


def _lacking(
    measure: MeasureOfScores, claim: Claim, result: ClaimResult, evidence: Evidence
) -> ClaimResult | None:
    """The result of a claim that cannot be measured yet; None if every score is there."""
    conditions, targets = _names(measure, evidence)
    if absent := evidence.absent(conditions, targets):
        return evidence.without(result, claim, absent)
    asked = _cells(measure, evidence, result.encoder, definitions(measure)[0])
    if not asked:
        return result.judged("not measured", sentences.nothing_to_compare(measure, claim))
    missing = [
        key
        for key in evidence.missing(result.encoder, conditions, targets)
        if any(is_of(cells, key) for cells in asked)
    ]
    if missing:
        return evidence.unfinished(result, missing)
    return None


def _names(measure: MeasureOfScores, evidence: Evidence) -> tuple[list[str], list[str]]:
    """All conditions and targets that a measure names, each once."""
    targets = evidence.targets(measure.targets)
    if isinstance(measure, BestCondition):
        return [NONE, *evidence.conditions(EVERY)], targets
    if measure.pairs:
        names = [name for pair in measure.pairs.items() for name in pair]
    else:
        names = [*evidence.conditions(measure.conditions), *evidence.conditions(measure.against)]
    return list(dict.fromkeys(names)), targets


def _cells(
    measure: MeasureOfScores, evidence: Evidence, encoder: str, definition: Definition
) -> list[Cells]:
    if isinstance(measure, Comparisons):
        return cells(measure, evidence, encoder, definition)
    low = evidence.low_resource(encoder, definition)
    codes = codes_of(measure.languages, evidence.codes, low)
    languages = evidence.resolved.languages
    targets = evidence.targets(measure.targets)
    targets = [name for name in targets if not codes.isdisjoint(languages[name])]
    conditions = evidence.conditions(EVERY)
    return [Cells(name, NONE, tuple(targets), codes) for name in conditions if targets]


# --- contrasts ------------------------------------------------------------------------------------


def measure_scores(
    claim: Claim, evidence: Evidence, encoder: str, definition: Definition, floor: Floor = ""
) -> Measured:
    """The comparisons that a claim asks for, computed; none if no target has the languages."""
    measure = claim.measure
    assert isinstance(measure, MeasureOfScores)
    margin = evidence.claims.slope_margin if isinstance(measure, Slope) else evidence.claims.margin
    scale: Scale = "logit" if floor == "logit scale" else "points"
    if isinstance(measure, Gain) and measure.metric:
        analysis = evidence.by_metric(measure.metric)
    elif floor == "above the floor":
        analysis = evidence.above_the_floor(encoder)
    else:
        analysis = evidence.analysis
    asked = _with_scores(_cells(measure, evidence, encoder, definition), analysis)
    if not asked:
        return Measured((), None, margin)
    if isinstance(measure, BestCondition):
        best = _best(measure, asked, analysis, encoder)
        published = next(iter(claim.published.values()), None)
        return Measured((Comparison(BEST, NONE, asked[0].targets, best, published),), None, margin)

    def compared(cells: Cells, among: Analysis) -> Contrast:
        return _contrast(measure, cells, among, encoder, definition, scale)

    comparisons = tuple(
        Comparison(*cells[:3], compared(cells, analysis), claim.published.get(cells.condition))
        for cells in asked
    )
    mean = None
    if len(asked) > 1:
        whole = union(asked)
        among = evidence.analysis_of(*pooled(analysis.scores, encoder, asked))
        mean = Comparison(*whole[:3], compared(whole, among))
    return Measured(comparisons, mean, margin, measure.test)


def _with_scores(asked: Sequence[Cells], analysis: Analysis) -> list[Cells]:
    """The comparisons without targets that have no score in their languages."""
    languages = analysis.scores.languages
    kept = []
    for one in asked:
        with_scores = (t for t in one.targets if not one.codes.isdisjoint(languages.get(t, ())))
        if targets := tuple(with_scores):
            kept.append(one._replace(targets=targets))
    return kept


class _Of(TypedDict):
    """What every question takes."""

    encoder: str
    condition: str
    against: str
    targets: Sequence[str]
    scale: Scale


def _contrast(
    measure: Comparisons,
    asked: Cells,
    analysis: Analysis,
    encoder: str,
    definition: Definition,
    scale: Scale,
) -> Contrast:
    of = _Of(
        encoder=encoder,
        condition=asked.condition,
        against=asked.against,
        targets=asked.targets,
        scale=scale,
    )
    if isinstance(measure, LowMinusRest):
        return analysis.low_minus_rest(**of, definition=definition)
    if isinstance(measure, Slope):
        return analysis.slope(**of)
    return analysis.mean(**of, group=asked.codes)


def _best(
    measure: BestCondition, asked: Sequence[Cells], analysis: Analysis, encoder: str
) -> Contrast:
    return analysis.best_condition(
        encoder=encoder,
        conditions=[cells.condition for cells in asked],
        targets=asked[0].targets,
        group=asked[0].codes,
        each_target=measure.by_target,
    )
