"""Whether a rule holds for a set of comparisons. Pure functions of uncertainties.

``all`` needs every comparison by itself: an intersection-union test, which needs no correction
(Berger 1982). ``any``, ``at least N`` and ``more than half`` count comparisons after Holm's
correction (Holm 1979), because one of many would be found by chance; where all hold by themselves,
so do these, as in Simes' test (1986), which is valid for comparisons that are positively
correlated, and a shared baseline makes them so. ``mean`` judges the mean of
the comparisons, whose shared baseline is counted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xstilts.analysis.statistics.multiplicity import holm

if TYPE_CHECKING:
    from xstilts.analysis.statistics.contrast import Uncertainty
    from xstilts.config.claim_rule import Criterion, Rule
    from xstilts.config.claims import Test

EQUIVALENCE, TWO_SIDED = 0.05, 0.05
"""Levels of ``=`` (two one-sided tests) and ``!=``."""
ONE_SIDED: dict[Test, float] = {"interval": 0.025, "one_sided": 0.05}
"""Levels of ``>`` and ``<``: that of one end of a 95 % interval, or 5 %."""


@dataclass(frozen=True)
class Judged:
    """One comparison as a rule sees it; None where there is no uncertainty."""

    uncertainty: Uncertainty | None
    published: float | None = None


@dataclass(frozen=True)
class Facts:
    """What rules are applied to. ``margin``: in the unit of the comparisons."""

    comparisons: tuple[Judged, ...]
    mean: Judged
    margin: float
    test: Test = "interval"


def holds(rule: Rule, facts: Facts) -> bool:
    """Whether one of the rule's alternatives holds."""
    return any(all(_holds(c, facts) for c in alternative) for alternative in rule)


def is_about_sign(rule: Rule) -> bool:
    """Whether a rule asks only whether effects are above or below zero, in whatever unit."""
    criteria = [criterion for alternative in rule for criterion in alternative]
    return all(c.value == 0 and c.sign in (">", "<") for c in criteria)


def _holds(criterion: Criterion, facts: Facts) -> bool:
    level = _level(criterion, facts.test)
    if criterion.quantifier == "mean":
        return _p(criterion, facts.mean, facts.margin) < level
    if not facts.comparisons:
        return False
    ps = [_p(criterion, judged, facts.margin) for judged in facts.comparisons]
    if max(ps) < level:
        return True
    if criterion.quantifier == "all":
        return False
    return sum(p < level for p in holm(ps)) >= _needed(criterion, len(ps))


def _needed(criterion: Criterion, comparisons: int) -> int:
    """How many comparisons a quantifier asks for."""
    if criterion.quantifier == "any":
        return 1
    return criterion.count or comparisons // 2 + 1


def _level(criterion: Criterion, test: Test) -> float:
    if criterion.sign == "=":
        return EQUIVALENCE
    return TWO_SIDED if criterion.sign == "!=" else ONE_SIDED[test]


def _p(criterion: Criterion, judged: Judged, margin: float) -> float:
    """The p-value for what a criterion says of one comparison; 1 if nothing can be said."""
    value = _value(criterion, judged, margin)
    uncertainty = judged.uncertainty
    if uncertainty is None or value is None:
        return 1.0
    if criterion.sign == ">":
        return uncertainty.p_above(value)
    if criterion.sign == "<":
        return uncertainty.p_below(value)
    if criterion.sign == "=":
        return max(uncertainty.p_above(value - margin), uncertainty.p_below(value + margin))
    return 2 * min(uncertainty.p_above(value), uncertainty.p_below(value))


def _value(criterion: Criterion, judged: Judged, margin: float) -> float | None:
    if criterion.value == "published":
        return judged.published
    if isinstance(criterion.value, str):
        return -margin if criterion.value == "-margin" else margin
    return criterion.value
