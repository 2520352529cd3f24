"""The one estimator: a contrast of two conditions with its uncertainty, or the reason for none.

Two estimands stand side by side. *Languages like these* counts the languages as a sample of the
languages of the world: it is the question's. *These languages* takes them as given: it is a
leaderboard's. Both count the trainings as a sample of trainings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import special

from xstilts.analysis.statistics.variance import components

if TYPE_CHECKING:
    from xstilts.analysis.statistics.design import Design, Floats
    from xstilts.analysis.statistics.variance import Components

LEVEL = 0.95
"""Of intervals, unless another one is asked for."""
MARGIN = 1.0
"""Points: a smaller effect is negligible."""
MIN_FAMILIES = 3
"""On each side of a question; with fewer, the spread between families cannot be estimated."""
SAME_GAIN = 1e-9
"""Gains that differ by less, in points, differ by the rounding of a subtraction only."""
RUN_SDS = (0.5, 1.0, 1.55)
"""Standard deviations between trainings, in points, for the sensitivity of one seed. The last is
measured: XLM-R on MasakhaNER, 34 settings of 5 seeds (Beukman and Fokam 2023)."""

Verdict = Literal["gain", "loss", "negligible", "inconclusive"]


class Interval(NamedTuple):
    """An interval, in points."""

    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.high < 0

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside."""
        return self.above_zero or self.below_zero


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of an estimate by Student's t, in points."""

    estimate: float
    standard_error: float
    df: float
    """Degrees of freedom; infinite for the normal distribution."""

    @cached_property
    def interval(self) -> Interval:
        """The 95 % interval."""
        return self.interval_at(LEVEL)

    @property
    def p(self) -> float:
        """Two-sided p-value of no effect."""
        return 2 * min(self.p_above(0.0), self.p_below(0.0))

    def interval_at(self, level: float) -> Interval:
        """The interval that holds the truth in a share ``level`` of all grids."""
        reach = float(special.stdtrit(self.df, (1 + level) / 2)) * self.standard_error
        return Interval(self.estimate - reach, self.estimate + reach)

    def p_above(self, value: float) -> float:
        """One-sided p-value: small if the effect is above ``value``."""
        return float(special.stdtr(self.df, (value - self.estimate) / self.standard_error))

    def p_below(self, value: float) -> float:
        """One-sided p-value: small if the effect is below ``value``."""
        return float(special.stdtr(self.df, (self.estimate - value) / self.standard_error))

    def verdict(self, margin: float = MARGIN) -> Verdict:
        """The word for the effect.

        Gain or loss: the 95 % interval excludes zero. Negligible: the 90 % interval lies within the
        margin, which is the test of equivalence by two one-sided tests at 5 % (Schuirmann 1987).
        """
        if self.interval.above_zero:
            return "gain"
        if self.interval.below_zero:
            return "loss"
        low, high = self.interval_at(0.90)
        return "negligible" if -margin < low and high < margin else "inconclusive"


@dataclass(frozen=True)
class Sensitivity:
    """What the interval of one seed would be if trainings differed by so much."""

    run_sd: float
    """Assumed standard deviation between trainings, in points."""
    interval: Interval


@dataclass(frozen=True)
class Spread:
    """The parts of a contrast's standard error, in points; NaN where a part cannot be estimated."""

    condition: float
    """Of the condition's trainings."""
    baseline: float
    """Of the baseline's trainings."""
    languages: float
    """Of languages, clustered by family; it holds `overlap` too."""
    overlap: float
    """Noise of single trainings in single languages, which all three hold."""
    items: float
    """Persistent noise of test items; NaN if predictions were not read."""


@dataclass(frozen=True)
class Contrast:
    """An effect in points: estimate, uncertainty under both estimands, and what it rests on."""

    estimate: float
    """NaN if it is undefined."""
    like_these: Uncertainty | None = None
    """For languages like these: the primary one."""
    these: Uncertainty | None = None
    """For exactly these languages."""
    reason: str = ""
    """Why `like_these` is None; empty if it is there."""
    seeds: int = 0
    """Trainings of the condition; a checkpoint that all seeds share is one."""
    baseline_seeds: int = 0
    languages: int = 0
    families: int = 0
    targets: int = 0
    items: int = 0
    """Test items of all languages and targets together."""
    without_family: int = 0
    """Languages whose family is unknown; each counts as a family of its own."""
    spread: Spread | None = None
    sensitivity: tuple[Sensitivity, ...] = ()
    """For one seed only."""
    notes: tuple[str, ...] = ()
    """What was left out, and why: a clause for each."""

    @property
    def has_item_noise(self) -> bool:
        """Whether the intervals hold the noise of test items, as far as their estimand asks."""
        return self.spread is not None and not math.isnan(self.spread.items)

    def verdict(self, margin: float = MARGIN) -> Verdict:
        """The word for the effect in languages like these; inconclusive without an interval."""
        return self.like_these.verdict(margin) if self.like_these else "inconclusive"


@dataclass(frozen=True)
class Runs:
    """The scores of one condition.

    ``scores``: in points, shape (U, S). ``one``: all seeds share one checkpoint, so that S
    columns are one training.
    """

    scores: Floats
    one: bool = False

    @property
    def distinct(self) -> Floats:
        """Scores with a column for each training: one column if all seeds share a checkpoint."""
        return self.scores[:, :1] if self.one else self.scores

    @property
    def trainings(self) -> int:
        """How many trainings there are."""
        return int(self.distinct.shape[1])


@dataclass(frozen=True)
class ItemNoise:
    """Variance of the estimate by persistent item noise, in squared points."""

    all: float
    """Of all items: for these languages."""
    shared: float
    """Of items that several languages share: also for languages like these."""


def contrast(
    design: Design,
    condition: Runs,
    baseline: Runs,
    *,
    sides: tuple[int, ...] = (),
    items: ItemNoise | None = None,
) -> Contrast:
    """The contrast of two conditions.

    ``sides``: families on each side of the question; by default, families of all units.
    ``items``: item noise; None if predictions were not read. The counts of languages and test
    items are the caller's to fill in.
    """
    shared = items.shared if items else 0.0
    parts = components(design, condition.distinct, baseline.distinct, shared)
    return contrast_of(parts, design, condition, baseline, sides=sides, items=items)


def contrast_of(
    parts: Components,
    design: Design,
    condition: Runs,
    baseline: Runs,
    *,
    sides: tuple[int, ...] = (),
    items: ItemNoise | None = None,
) -> Contrast:
    """The contrast with these parts of its variance, or with the reason why it has no interval."""
    sides = sides or (len(np.unique(design.families)),)
    bare = Contrast(
        float(parts.estimate),
        seeds=condition.trainings,
        baseline_seeds=baseline.trainings,
        families=len(np.unique(design.families)),
        targets=len(np.unique(design.targets)),
        spread=_spread(parts, items),
    )
    if reason := _too_few_trainings(condition, baseline):
        sensitivity = _sensitivity(design, bare, condition, baseline)
        return replace(bare, reason=reason, sensitivity=sensitivity)
    these = _uncertainty(bare, *parts.these(np.asarray(items.all if items else 0.0)))
    if min(sides) < MIN_FAMILIES:
        return replace(bare, these=these, reason=_too_few_families(sides))
    like_these = _uncertainty(bare, *parts.like_these())
    if like_these is None:
        reason = "all trainings and languages gain the same, so that nothing shows the error"
        return replace(bare, reason=reason)
    return replace(bare, these=these, like_these=like_these)


def _too_few_trainings(condition: Runs, baseline: Runs) -> str:
    for name, runs in (("condition", condition), ("baseline", baseline)):
        if runs.trainings == 1 and not runs.one:
            return f"one training of the {name}: its luck cannot be told from an effect"
    return ""


def _too_few_families(sides: tuple[int, ...]) -> str:
    found = " and ".join(map(str, sides))
    where = " on each side" if len(sides) > 1 else ""
    return (
        f"languages of {found} {'family' if found == '1' else 'families'}{where}; "
        f"at least {MIN_FAMILIES}{where} show how families differ"
    )


def _uncertainty(bare: Contrast, variance: Floats, df: Floats) -> Uncertainty | None:
    """None if the variance is zero: equal scores do not show that others would be equal too."""
    error = math.sqrt(float(variance))
    return Uncertainty(bare.estimate, error, float(df)) if error > SAME_GAIN else None


def _spread(parts: Components, items: ItemNoise | None) -> Spread:
    condition, baseline = parts.trainings
    return Spread(
        condition=math.sqrt(float(condition.variance)) if condition.df else math.nan,
        baseline=math.sqrt(float(baseline.variance)) if baseline.df else math.nan,
        languages=math.sqrt(float(parts.language)),
        overlap=math.sqrt(float(condition.overlap + baseline.overlap)),
        items=math.sqrt(items.all) if items else math.nan,
    )


def _sensitivity(
    design: Design, bare: Contrast, condition: Runs, baseline: Runs
) -> tuple[Sensitivity, ...]:
    """Intervals for assumed standard deviations between trainings.

    There are none for a contrast within targets, which cancels what a training adds to all
    languages.
    """
    shares = [design.weights[design.targets == t].sum() for t in np.unique(design.targets)]
    per_training = sum(0.0 if runs.one else 1 / runs.trainings for runs in (condition, baseline))
    trainings = float(np.square(shares).sum()) * per_training
    if trainings < SAME_GAIN:
        return ()
    language = bare.spread.languages**2 if bare.spread else 0.0
    errors = {run_sd: math.sqrt(run_sd**2 * trainings + language) for run_sd in RUN_SDS}
    return tuple(
        Sensitivity(run_sd, Uncertainty(bare.estimate, error, math.inf).interval)
        for run_sd, error in errors.items()
    )
