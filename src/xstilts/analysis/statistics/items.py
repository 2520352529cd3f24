"""Noise of test items, from the scores of single items.

A gain that repeats with every training may still be one of these test items only. Items of a
language's own test set average out over languages; items that all languages share, as in parallel
test sets, do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xstilts.analysis.statistics.contrast import ItemNoise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from xstilts.analysis.statistics.answers import Asked
    from xstilts.analysis.statistics.design import Design, Floats
    from xstilts.analysis.statistics.score_table import Pair, Unit

    Metric = Callable[[Floats], float]

DRAWS = 1_000
"""Of the bootstrap."""


@dataclass(frozen=True)
class ItemScores:
    """The scores of single test items, where a score is their mean.

    ``scores``: by encoder, condition and unit, in points, shape (items, seeds). ``parallel``:
    targets whose languages have the same items in the same order. It is the ``noise`` of an
    `Analysis`.
    """

    scores: Mapping[tuple[str, str, Unit], Floats]
    parallel: Collection[str] = ()

    def __call__(self, asked: Asked, pair: Pair, design: Design) -> ItemNoise | None:
        """The noise of items in an answer; None if a unit's items are not known."""
        keys = {
            unit: [(asked.encoder, name, unit) for name in (asked.condition, asked.against)]
            for unit in pair.units
        }
        if not all(key in self.scores for both in keys.values() for key in both):
            return None
        weights = dict(zip(pair.units, design.weights.tolist(), strict=True))
        own = shared = 0.0
        for target in dict.fromkeys(unit.target for unit in pair.units):
            units = [unit for unit in pair.units if unit.target == target]
            if target in self.parallel:
                condition, baseline = (
                    np.sum([weights[u] * self.scores[keys[u][side]] for u in units], axis=0)
                    for side in (0, 1)
                )
                shared += persistent_variance(condition, baseline)
                continue
            for unit in units:
                condition, baseline = (self.scores[key] for key in keys[unit])
                own += weights[unit] ** 2 * persistent_variance(condition, baseline)
        return ItemNoise(all=own + shared, shared=shared)


def persistent_variance(condition: Floats, baseline: Floats) -> float:
    """The variance of a mean gain over items by the choice of the items, in squared points.

    ``condition`` and ``baseline``: scores of the same items in points, shape (items, seeds). What
    an item gains in single trainings only is taken out, because the variance between trainings
    holds it; with one training it cannot be told apart and stays in.
    """
    items = len(condition)
    gains = condition.mean(axis=1) - baseline.mean(axis=1)
    variance = float(np.var(gains, ddof=1))
    for scores in (condition, baseline):
        seeds = scores.shape[1]
        if seeds > 1:
            deviations = scores - scores.mean(axis=0)
            variance -= float(np.var(deviations, axis=1, ddof=1).mean()) / seeds
    return max(0.0, variance) / items


def bootstrap_variance(
    condition: Sequence[Floats], baseline: Sequence[Floats], metric: Metric, seed: int = 1
) -> float:
    """The variance of a gain by the choice of the items, where the metric is no mean of items.

    ``condition`` and ``baseline``: for each training the statistics of each item that the metric is
    computed from, shape (items, statistics), such as right, predicted and gold spans. ``metric``
    computes the score in points from their sums, shape (statistics,). Items are drawn again, the
    same for all trainings, `DRAWS` times.
    """
    rng = np.random.default_rng(seed)
    items = len(condition[0])
    gains = []
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(items, size=items), minlength=items)
        first, second = (
            np.mean([metric(times @ training) for training in side])
            for side in (condition, baseline)
        )
        gains.append(first - second)
    return float(np.var(gains, ddof=1))
