"""Claims about scores: comparisons of conditions, and the rules that judge them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xstilts.analysis.claims import sentences
from xstilts.analysis.claims.measure import Measured, asked_of, measure_scores
from xstilts.analysis.claims.pooled import is_of
from xstilts.analysis.claims.questions import (
    MeasureOfScores,
    definitions,
    is_about_low_resource,
    official_languages,
)
from xstilts.analysis.claims.result import Adjusted, Development
from xstilts.analysis.claims.rules import Facts, Judged, holds, is_about_sign
from xstilts.config.claims import EVERY, BestCondition, Gain, Slope
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.analysis.claims.result import ClaimResult, Comparison, Use, Verdict
    from xstilts.analysis.language_groups import Covariate
    from xstilts.config.claims import Claim, Estimand


HELD: tuple[tuple[Covariate, ...], ...] = (("seen",), ("script",), ("seen", "script"))
"""What is held equal, in turn, to see whether a slope is one of text."""


def judge_scores(claim: Claim, result: ClaimResult, evidence: Evidence) -> ClaimResult:
    """The verdict on a claim about scores of ``result.encoder``."""
    measure = claim.measure
    assert isinstance(measure, MeasureOfScores)
    result = replace(
        result,
        estimand=measure.estimand,
        unit="points for ten times as much text" if isinstance(measure, Slope) else "points",
        development=_development(measure, evidence),
    )
    if lacking := _lacking(measure, claim, result, evidence):
        return lacking
    first = definitions(measure)[0]
    measured = measure_scores(claim, measure, evidence, result.encoder, first)
    verdict = verdict_by_rules(claim, measured, measure.estimand)
    others = _other_ways(claim, measure, evidence, result.encoder, measured)
    adjusted = _adjusted(claim, measure, evidence, result.encoder)
    others |= {sentences.name_of_adjusted(one): one.verdict for one in adjusted}
    floors = _at_the_floor(claim, measure, evidence, result.encoder, verdict)
    depends = {name: found for name, found in floors.items() if found != verdict}
    result = replace(
        result,
        contrasts=measured.comparisons,
        mean=measured.mean,
        adjusted=adjusted,
        disagreement=sentences.disagreement(verdict, others | floors),
    )
    sentence = sentences.of_scores(result, verdict, depends)
    return result.judged("inconclusive" if depends else verdict, sentence)


def verdict_by_rules(claim: Claim, measured: Measured, estimand: Estimand) -> Verdict:
    """The verdict by the claim's rules; inconclusive where they contradict each other."""

    def judged(comparison: Comparison | None) -> Judged:
        if comparison is None:
            return Judged(None)
        return Judged(comparison.uncertainty(estimand), comparison.published)

    comparisons = tuple(map(judged, measured.comparisons))
    mean = comparisons[0] if len(comparisons) == 1 else judged(measured.mean)
    facts = Facts(comparisons, mean, measured.margin, measured.test)
    supported = holds(claim.rule("supported"), facts)
    contradicted = holds(claim.rule("contradicted"), facts)
    if supported != contradicted:
        return "supported" if supported else "contradicted"
    if not supported and holds(claim.rule("negligible"), facts):
        return "negligible"
    return "inconclusive"


def _other_ways(
    claim: Claim, measure: MeasureOfScores, evidence: Evidence, encoder: str, measured: Measured
) -> dict[str, Verdict]:
    """The verdicts by the other estimand and by other definitions of low-resource."""
    found = _by_test_scores(claim, measure, evidence, encoder)
    is_of_dev = isinstance(measure, Gain) and measure.split == "dev"
    if measure.estimand == "these_languages" and not is_of_dev:
        name = "languages like these"
        found[name] = verdict_by_rules(claim, measured, "languages_like_these")
    for definition in definitions(measure)[1:]:
        other = measure_scores(claim, measure, evidence, encoder, definition)
        if other.comparisons:
            name = f"low-resource by {definition}"
            found[name] = verdict_by_rules(claim, other, measure.estimand)
    return found


def _adjusted(
    claim: Claim, measure: MeasureOfScores, evidence: Evidence, encoder: str
) -> tuple[Adjusted, ...]:
    """The slope with seen languages, script and both held equal; empty for other measures."""
    if not isinstance(measure, Slope):
        return ()
    found = []
    for held in HELD:
        measured = measure_scores(claim, measure, evidence, encoder, "joshi", held=held)
        if of_mean := measured.mean or next(iter(measured.comparisons), None):
            verdict = verdict_by_rules(claim, measured, measure.estimand)
            found.append(Adjusted(held, verdict, of_mean))
    return tuple(found)


def _at_the_floor(
    claim: Claim, measure: MeasureOfScores, evidence: Evidence, encoder: str, verdict: Verdict
) -> dict[str, Verdict]:
    """The verdicts without languages at the floor and on the logit scale, where these matter.

    They matter for a verdict about low-resource languages. Points are no unit of the logit scale,
    so that there only signs are compared, and only where the score of guessing is known.
    """
    if verdict == "inconclusive" or not is_about_low_resource(measure):
        return {}
    definition, found = definitions(measure)[0], {}
    if evidence.guessing(encoder):
        other = measure_scores(
            claim, measure, evidence, encoder, definition, floor="above the floor"
        )
        found["above the floor"] = verdict_by_rules(claim, other, measure.estimand)
    signs = is_about_sign(claim.rule("supported")) and is_about_sign(claim.rule("contradicted"))
    if signs and verdict != "negligible" and not isinstance(measure, BestCondition):
        other = measure_scores(claim, measure, evidence, encoder, definition, floor="logit scale")
        if other.is_defined:
            found["on the logit scale"] = verdict_by_rules(claim, other, measure.estimand)
    return found


def _lacking(
    measure: MeasureOfScores, claim: Claim, result: ClaimResult, evidence: Evidence
) -> ClaimResult | None:
    """The result of a claim that cannot be measured yet; None if every score is there."""
    conditions, targets = _names(measure, evidence)
    if absent := evidence.absent(conditions, targets):
        return evidence.without(result, claim, absent)
    official = official_languages(measure, evidence)
    if unscored := evidence.absent_languages(official):
        return evidence.without(result, claim, {"language": unscored})
    asked = asked_of(measure, evidence, result.encoder, definitions(measure)[0])
    if not asked:
        return evidence.without_comparison(result, claim)
    missing = [
        key
        for key in evidence.missing(result.encoder, conditions, targets)
        if any(is_of(cells, key) for cells in asked)
    ]
    if missing:
        return evidence.unfinished(result, missing)
    if result.development:
        lacking = evidence.missing_dev(result.encoder, _chosen_among(conditions, measure), targets)
        if lacking:
            others = _by_test_scores(claim, measure, evidence, result.encoder)
            disagreement = sentences.disagreement("not measured", others)
            return evidence.without_dev(replace(result, disagreement=disagreement), lacking)
    return None


def _development(measure: MeasureOfScores, evidence: Evidence) -> Development | None:
    """What a measure asks of development scores; None for nothing."""
    if isinstance(measure, Gain) and measure.split == "dev":
        use: Use = "compared"
    elif isinstance(measure, BestCondition) and measure.chosen_on == "dev":
        use = "chosen on"
    else:
        return None
    targets = evidence.targets(measure.targets)
    on_test = tuple(name for name in targets if name in evidence.dev.untrained)
    return Development(use, len(targets) - len(on_test), on_test)


def _by_test_scores(
    claim: Claim, measure: MeasureOfScores, evidence: Evidence, encoder: str
) -> dict[str, Verdict]:
    """The verdict by test scores in place of development scores, if the claim asks for these."""
    if isinstance(measure, Gain) and measure.split == "dev":
        name, changes = "by test scores", {"split": "test"}
    elif isinstance(measure, BestCondition) and measure.chosen_on == "dev":
        name, changes = "chosen on test scores", {"chosen_on": "test"}
    else:
        return {}
    other = measure.model_copy(update=changes)
    found = measure_scores(claim, other, evidence, encoder, definitions(measure)[0])
    return {name: verdict_by_rules(claim, found, measure.estimand)}


def _chosen_among(conditions: list[str], measure: MeasureOfScores) -> list[str]:
    """The conditions whose development scores decide: of a choice, not the baseline's."""
    is_choice = isinstance(measure, BestCondition)
    return [name for name in conditions if not (is_choice and name == NONE)]


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
