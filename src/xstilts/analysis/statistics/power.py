"""How many seeds and test items a gain of a given size needs, before anything is bought.

The power follows from the variances of trainings and languages, of a grid that exists or declared:
the standard error and Satterthwaite's degrees of freedom of the contrast at their expected values,
and the noncentral t distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import stats

from xstilts.analysis.statistics.contrast import LEVEL, MARGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xstilts.analysis.statistics.design import Floats

Estimand = Literal["languages like these", "these languages"]
ESTIMANDS: tuple[Estimand, ...] = ("languages like these", "these languages")
POWER = 0.8
MOST = 1024
"""More seeds than this are not searched for."""


@dataclass(frozen=True)
class Spreads:
    """Standard deviations in points, of one target."""

    run: float
    """Between trainings, common to all languages."""
    language: float
    """Between the true gains of languages."""
    interaction: float
    """Of a training in a single language, beside what it does to all."""
    item: float = 0.0
    """Between the gains of single test items, which repeat with other trainings."""
    first_stage: float = 0.5
    """Share of a condition's ``run`` variance that comes from its intermediate training, which all
    targets share; the baseline has none. A guess: no grid is large enough to measure it."""


QUIET = Spreads(run=0.4, language=1.0, interaction=0.5)
"""A guess for targets with large training sets, such as XNLI."""
MEDIUM = Spreads(run=1.0, language=1.0, interaction=1.2)
NOISY = Spreads(run=1.55, language=1.5, interaction=2.03)
"""Runs and interaction as measured on XLM-R and MasakhaNER (34 settings of 5 seeds)."""


@dataclass(frozen=True)
class Plan:
    """A planned grid: how much of each there is."""

    languages: int
    targets: int
    seeds: int
    baseline_seeds: int
    families: int | None = None
    """None: each language is of a family of its own."""
    items: int | None = None
    """Test items of a language; None: item noise is left out."""
    parallel: bool = False
    """Whether all languages of a target have the same items."""


class Error(NamedTuple):
    """The expected uncertainty of a mean gain over targets."""

    standard_error: float
    df: float


def expected_error(spreads: Spreads, plan: Plan, estimand: Estimand) -> Error:
    """The standard error and the degrees of freedom that a plan can expect."""
    units = plan.languages * plan.targets
    alone = spreads.run**2 / plan.targets
    shared = spreads.first_stage * spreads.run**2 + (1 - spreads.first_stage) * alone
    cell = spreads.interaction**2 / units
    item_units = plan.targets if plan.parallel else units
    items = spreads.item**2 / plan.items / item_units if plan.items else 0.0
    trainings = ((shared, plan.seeds), (alone, plan.baseline_seeds))
    if estimand == "these languages":
        return _error(items, [((run + cell) / seeds, seeds - 1) for run, seeds in trainings])
    families = plan.families or plan.languages
    language = spreads.language**2 / units + cell * sum(1 / seeds for _, seeds in trainings)
    parts = [(run / seeds, seeds - 1) for run, seeds in trainings]
    return _error(items, [*parts, (language, families - 1)])


def power(error: Error, gain: float) -> float:
    """The probability that the 95 % interval of a true gain excludes zero on the right side."""
    critical = stats.t.ppf((1 + LEVEL) / 2, error.df)
    return float(stats.nct.sf(critical, error.df, abs(gain) / error.standard_error))


def power_of_equivalence(error: Error, margin: float = MARGIN) -> float:
    """The probability that a true gain of zero is shown to be negligible (two one-sided tests)."""
    critical = stats.t.ppf(LEVEL, error.df)
    reach = margin / error.standard_error - critical
    return max(0.0, float(2 * stats.t.cdf(reach, error.df) - 1))


def half_width(error: Error) -> float:
    """Half the expected 95 % interval, in points."""
    return float(stats.t.ppf((1 + LEVEL) / 2, error.df)) * error.standard_error


def needed_seeds(
    spreads: Spreads,
    plan: Plan,
    gain: float,
    estimand: Estimand,
    wanted: float = POWER,
) -> int | None:
    """The fewest seeds that find a gain with the wanted power; None if more seeds never do.

    Seeds of the baseline grow with those of the conditions, in the ratio of the plan.
    """
    ratio = plan.baseline_seeds / plan.seeds

    def enough(seeds: int) -> bool:
        more = replace(plan, seeds=seeds, baseline_seeds=max(2, round(seeds * ratio)))
        return power(expected_error(spreads, more, estimand), gain) >= wanted

    return _fewest(enough, 2)


def needed_items(
    spreads: Spreads,
    plan: Plan,
    gain: float,
    estimand: Estimand,
    wanted: float = POWER,
) -> int | None:
    """The fewest test items of a language that find a gain; None if trainings alone prevent it."""

    def enough(items: int) -> bool:
        return power(expected_error(spreads, replace(plan, items=items), estimand), gain) >= wanted

    return _fewest(enough, 1, most=10**7)


def seeds_of_baseline(conditions: int, seeds: int) -> int:
    """Seeds of the baseline that serve so many conditions best (Dunnett 1955): sqrt(C) as many.

    >>> seeds_of_baseline(9, 5)
    15
    """
    return max(seeds, round(math.sqrt(conditions) * seeds))


def measured(grids: Sequence[tuple[Floats, Floats]]) -> Spreads:
    """The spreads of (condition, baseline) scores of single targets, shape (U, S) each.

    Variances are averaged over all of them, as planning needs no condition's own. Raises
    `ValueError` without two seeds and two languages somewhere.
    """
    runs, cells, languages = [], [], []
    for pair in grids:
        gains = pair[0].mean(axis=1) - pair[1].mean(axis=1)
        noise = 0.0
        for scores in pair:
            units, seeds = scores.shape
            if seeds < 2 or units < 2:
                continue
            cell = _interaction(scores)
            cells.append(cell)
            by_seed = float(np.var(scores.mean(axis=0), ddof=1))
            runs.append(max(0.0, by_seed - cell / units))
            noise += cell / seeds
        if len(gains) > 1:
            languages.append(max(0.0, float(np.var(gains, ddof=1)) - noise))
    if not cells or not languages:
        raise ValueError("needs a target with two seeds of a condition and two languages")
    run, cell, language = (math.sqrt(float(np.mean(x))) for x in (runs, cells, languages))
    return Spreads(run=run, language=language, interaction=cell)


def _interaction(scores: Floats) -> float:
    """The mean square of what is left of scores (U, S) without units' and seeds' means."""
    by_unit = scores - np.mean(scores, axis=1, keepdims=True)
    rest = by_unit - np.mean(by_unit, axis=0)
    units, seeds = scores.shape
    return float(np.sum(rest**2) / ((units - 1) * (seeds - 1)))


def _error(known: float, parts: Sequence[tuple[float, int]]) -> Error:
    variance = known + sum(part for part, _ in parts)
    squares = sum(part**2 / df for part, df in parts if part)
    return Error(math.sqrt(variance), variance**2 / squares if squares else math.inf)


def _fewest(enough: Callable[[int], bool], least: int, most: int = MOST) -> int | None:
    """The least number that is enough, by bisection; None if ``most`` is not."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
