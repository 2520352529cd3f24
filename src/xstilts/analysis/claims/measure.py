"""The comparisons that a claim about scores asks for, computed, and their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from xstilts.analysis.claims.pooled import Cells, pooled, union
from xstilts.analysis.claims.questions import cells, codes_of
from xstilts.analysis.claims.result import Comparison
from xstilts.analysis.statistics.score_table import ScoreTable
from xstilts.config.claims import EVERY, BestCondition, Comparisons, Gain, LowMinusRest, Slope
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.analysis.claims.evidence import Evidence
    from xstilts.analysis.claims.questions import MeasureOfScores
    from xstilts.analysis.language_groups import Covariate
    from xstilts.analysis.statistics.contrast import Contrast
    from xstilts.analysis.statistics.questions import Analysis
    from xstilts.analysis.statistics.scales import Scale
    from xstilts.config.claims import Claim, Definition, Test

BEST = "best condition"
Floor = Literal["as it is", "above the floor", "logit scale"]
"""The scores as they are, without languages whose baseline only guesses, or on the logit scale."""


@dataclass(frozen=True)
class Measured:
    """The comparisons of a claim, and their mean if there are several."""

    comparisons: tuple[Comparison, ...]
    mean: Comparison | None
    margin: float
    """What is smaller is negligible, in the unit of the comparisons."""
    test: Test = "interval"

    @property
    def is_defined(self) -> bool:
        """Whether there are comparisons and each has an interval of some kind."""
        contrasts = [comparison.contrast for comparison in self.comparisons]
        return bool(contrasts) and all(c.like_these or c.these for c in contrasts)


def asked_of(
    measure: MeasureOfScores, evidence: Evidence, encoder: str, definition: Definition
) -> list[Cells]:
    """The comparisons that a measure asks of the study; none if no target has the languages."""
    if isinstance(measure, Comparisons):
        return cells(measure, evidence, encoder, definition)
    low = evidence.low_resource(encoder, definition)
    codes = codes_of(measure.languages, evidence.codes, low)
    languages = evidence.resolved.languages
    targets = evidence.targets(measure.targets)
    targets = [name for name in targets if not codes.isdisjoint(languages[name])]
    conditions = evidence.conditions(EVERY)
    return [Cells(name, NONE, tuple(targets), codes) for name in conditions if targets]


def measure_scores(
    claim: Claim,
    measure: MeasureOfScores,
    evidence: Evidence,
    encoder: str,
    definition: Definition,
    floor: Floor = "as it is",
    held: Sequence[Covariate] = (),
) -> Measured:
    """The comparisons that a claim asks for, computed; none if no target has the languages.

    ``held``: what is held equal in a slope.
    """
    margin = evidence.claims.slope_margin if isinstance(measure, Slope) else evidence.claims.margin
    asked = asked_of(measure, evidence, encoder, definition)
    if isinstance(measure, Gain) and measure.split == "dev":
        analysis = evidence.of_dev
        codes = frozenset(evidence.dev.table["language"])
        asked = [one._replace(codes=one.codes | codes) for one in asked]
    elif isinstance(measure, Gain) and measure.metric:
        analysis = evidence.by_metric(measure.metric)
    elif floor == "above the floor" and isinstance(measure, BestCondition):
        analysis = evidence.above_the_floor(encoder)
    else:
        analysis = evidence.analysis
    asked = _with_scores(asked, analysis)
    if not asked:
        return Measured((), None, margin)
    if isinstance(measure, BestCondition):
        dev = ScoreTable(evidence.dev.table) if measure.chosen_on == "dev" else None
        best = _best(measure, asked, analysis, encoder, dev)
        published = next(iter(claim.published.values()), None)
        return Measured((Comparison(BEST, NONE, asked[0].targets, best, published),), None, margin)

    def compared(one: Cells, among: Analysis) -> Contrast:
        return _contrast(measure, one, among, encoder, definition, floor, held)

    comparisons = tuple(
        Comparison(*one[:3], compared(one, analysis), claim.published.get(one.condition))
        for one in asked
    )
    mean = None
    if len(asked) > 1:
        whole = union(asked)
        means = pooled(analysis.scores, encoder, asked)
        noise = means.noise(analysis.noise) if analysis.noise else None
        among = evidence.analysis_of(means.table, means.untrained, noise)
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
    only_above_floor: bool


def _contrast(
    measure: Comparisons,
    asked: Cells,
    analysis: Analysis,
    encoder: str,
    definition: Definition,
    floor: Floor,
    held: Sequence[Covariate],
) -> Contrast:
    of = _Of(
        encoder=encoder,
        condition=asked.condition,
        against=asked.against,
        targets=asked.targets,
        scale="logit" if floor == "logit scale" else "points",
        only_above_floor=floor == "above the floor",
    )
    if isinstance(measure, LowMinusRest):
        return analysis.low_minus_rest(**of, definition=definition)
    if isinstance(measure, Slope):
        return analysis.slope(**of, covariates=held)
    return analysis.mean(**of, group=asked.codes)


def _best(
    measure: BestCondition,
    asked: Sequence[Cells],
    analysis: Analysis,
    encoder: str,
    dev: ScoreTable | None,
) -> Contrast:
    return analysis.best_condition(
        encoder=encoder,
        conditions=[one.condition for one in asked],
        targets=asked[0].targets,
        group=asked[0].codes,
        each_target=measure.by_target,
        dev=dev,
    )
