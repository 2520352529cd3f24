"""The floor: where a model only guesses, an intermediate task can show neither gain nor loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xstilts.analysis.statistics.design import Design
    from xstilts.analysis.statistics.score_table import Pair, Unit

Floor = Literal["fine", "at the floor", "uninformative", "unknown"]
"""Of a language of a target. *Uninformative*: no condition is above chance. *At the floor*: the
baseline is not, but another condition is. *Unknown*: the card states no chance."""
LEVEL = 0.05


def above_chance(score: float, items: int, chance: float | None) -> bool | None:
    """Whether a mean score over seeds is above chance by a one-sided binomial test at 5 %.

    ``score`` and ``chance`` are in per cent. None if chance is unknown or there are no items.

    >>> above_chance(60.0, 100, 50.0), above_chance(60.0, 10, 50.0)
    (True, False)
    """
    if chance is None or not items:
        return None
    right = round(score * items / 100)
    return bool(right > 0 and stats.binom.sf(right - 1, items, chance / 100) < LEVEL)


def floor_of(above: Mapping[str, bool | None], baseline: str = NONE) -> Floor:
    """The class of a language from what `above_chance` says of each condition."""
    known = {condition: value for condition, value in above.items() if value is not None}
    if baseline not in known:
        return "unknown"
    if known[baseline]:
        return "fine"
    return "at the floor" if any(known.values()) else "uninformative"


def kept_by_seed(pair: Pair, above: Callable[[Unit, float], bool | None]) -> NDArray[np.bool_]:
    """Which units count against which seed of the baseline, shape (U, S).

    ``above`` says whether a unit's mean score is above chance. A unit is chosen by the other seeds
    of the baseline than the one it counts against: chosen by the same, lucky baselines would be
    kept, and their gains would be too small. Where chance is unknown, the unit is kept.
    """
    scores = pair.baseline.distinct
    seeds = scores.shape[1]
    others = (scores.sum(1, keepdims=True) - scores) / (seeds - 1) if seeds > 1 else scores
    return np.array(
        [
            [above(unit, float(score)) is not False for score in row]
            for unit, row in zip(pair.units, others, strict=True)
        ]
    )


def above_floor(
    pair: Pair, kept: NDArray[np.bool_], design_of: Callable[[Sequence[Unit]], Design]
) -> Pair | None:
    """The pair of the units that are kept for some seed; None if a seed cannot answer.

    ``kept`` is that of `kept_by_seed`, and ``design_of`` makes the question's design over units.
    For each seed the question is asked of the units kept for it. To this end a unit's gain against
    a seed is multiplied by its weight in the seed's own design over its weight in the design of all
    units that are returned, so that the mean over seeds of the seeds' answers comes out.
    """
    some: NDArray[np.bool_] = np.any(kept, axis=1)
    units = [unit for unit, keep in zip(pair.units, some.tolist(), strict=True) if keep]
    if not units or not design_of(units).spans:
        return None
    weights = design_of(units).weights
    condition, baseline = pair.condition.scores[some], pair.baseline.distinct[some]
    mean = condition.mean(axis=1)
    changed = np.empty_like(baseline)
    for seed in range(baseline.shape[1]):
        inside = kept[some, seed]
        chosen = [unit for unit, keep in zip(units, inside, strict=True) if keep]
        if not chosen or not design_of(chosen).spans:
            return None
        own = np.zeros(len(units))
        own[inside] = design_of(chosen).weights
        share = np.divide(own, weights, out=np.zeros_like(own), where=weights != 0)
        changed[:, seed] = mean - share * (mean - baseline[:, seed])
    return replace(
        pair,
        units=tuple(units),
        condition=replace(pair.condition, scores=condition),
        baseline=replace(pair.baseline, scores=changed),
    )
