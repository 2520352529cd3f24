"""The mean of several comparisons as one comparison, whose scores are means of their scores.

The comparisons of a claim share their baseline and their languages, so their gains are not
independent. The mean over them, seed by seed, is itself a score of a (condition, seed), and its
uncertainty is estimated as that of any other condition.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from xstilts.analysis.statistics.score_table import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.analysis.statistics.contrast import ItemNoise
    from xstilts.analysis.statistics.design import Floats
    from xstilts.analysis.statistics.items import NoiseOfItems, WeightedScores
    from xstilts.analysis.statistics.score_table import ScoreTable
    from xstilts.config.resolve import ScoreKey

MEAN, MEAN_AGAINST = "mean of the conditions", "mean of what they are compared with"

_KEY = ["encoder", "condition", "seed", "target", "language"]


class Cells(NamedTuple):
    """The scores that one comparison is about."""

    condition: str
    against: str
    targets: tuple[str, ...]
    codes: frozenset[str]
    """Languages; a target need not have them all."""


class Pooled(NamedTuple):
    """A table as an `Analysis` reads it, and those of its scores that no training precedes."""

    table: pd.DataFrame
    untrained: list[tuple[str, str, str]]
    members: Mapping[str, Mapping[Unit, Sequence[str]]]
    """The conditions that a score of `MEAN` or `MEAN_AGAINST` is the mean of, by unit."""

    def noise(self, of_members: NoiseOfItems) -> NoiseOfItems:
        """The noise of test items in these means, from that in their members' scores."""

        def noise(effect: WeightedScores) -> ItemNoise | None:
            conditions: dict[str, Floats] = {}
            for name, weights in effect.conditions.items():
                for place, unit in enumerate(effect.units):
                    members = self.members[name][unit]
                    for member in members:
                        own = conditions.setdefault(member, np.zeros(len(effect.units)))
                        own[place] += weights[place] / len(members)
            return of_members(replace(effect, conditions=conditions))

        return noise


def is_of(cells: Cells, key: ScoreKey) -> bool:
    """Whether a score is one of those that a comparison is about."""
    return (
        key.condition in (cells.condition, cells.against)
        and key.target in cells.targets
        and key.language in cells.codes
    )


def union(comparisons: Sequence[Cells]) -> Cells:
    """The cells of the mean of some comparisons."""
    targets = dict.fromkeys(name for cells in comparisons for name in cells.targets)
    codes = frozenset().union(*(cells.codes for cells in comparisons))
    return Cells(MEAN, MEAN_AGAINST, tuple(targets), codes)


def pooled(scores: ScoreTable, encoder: str, comparisons: Sequence[Cells]) -> Pooled:
    """Scores of two conditions, `MEAN` and `MEAN_AGAINST`, from those of all comparisons.

    A seed of a (target, language) is there if every comparison that has this cell has a defined
    score for it.
    """
    rows: list[tuple[object, ...]] = []
    untrained: list[tuple[str, str, str]] = []
    by_side: dict[str, dict[Unit, list[str]]] = {}
    sides = (
        (MEAN, [cells.condition for cells in comparisons]),
        (MEAN_AGAINST, [cells.against for cells in comparisons]),
    )
    for name, conditions in sides:
        members = by_side[name] = _members(scores, comparisons, conditions)
        shared = _without_training(scores, encoder, members)
        untrained += [(encoder, name, target) for target in sorted(shared)]
        items = scores.items(encoder, members)
        for unit, of_unit in members.items():
            for seed, score in _means(scores, encoder, unit, of_unit).items():
                spec = name if unit.target in shared else f"{name} {seed}"
                rows.append((encoder, name, seed, *unit, score, items[unit], spec))
    table = pd.DataFrame(rows, columns=[*_KEY, "score", "n", "spec"]).astype({"score": "float64"})
    task_types = table["target"].map(scores.task_types)
    table = table.assign(task_type=task_types, metric="mean", warnings="")
    return Pooled(table, untrained, by_side)


def _members(
    scores: ScoreTable, comparisons: Sequence[Cells], conditions: Sequence[str]
) -> dict[Unit, list[str]]:
    """The conditions whose scores a cell of the mean is the mean of."""
    members: dict[Unit, list[str]] = {}
    for cells, condition in zip(comparisons, conditions, strict=True):
        for target in cells.targets:
            for code in scores.languages.get(target, ()):
                if code in cells.codes:
                    members.setdefault(Unit(target, code), []).append(condition)
    return members


def _without_training(
    scores: ScoreTable, encoder: str, members: Mapping[Unit, Sequence[str]]
) -> set[str]:
    """The targets for which all seeds of all members come from one checkpoint each."""
    trained = {
        unit.target
        for unit, conditions in members.items()
        for condition in conditions
        if unit.target not in scores.scores(encoder, condition).one_training
    }
    return {unit.target for unit in members} - trained


def _means(
    scores: ScoreTable, encoder: str, unit: Unit, conditions: Sequence[str]
) -> dict[int, float]:
    """The mean score of each seed that all conditions have."""
    by_seed = [scores.scores(encoder, name).by_seed.get(unit, {}) for name in conditions]
    seeds = sorted(set.intersection(*(set(found) for found in by_seed)))
    return {seed: fmean(found[seed] for found in by_seed) for seed in seeds}
