"""Noise of test items: how far an effect may be one of these test items only.

Items of a language's own test set average out over languages; items that several languages share,
as in parallel test sets, do not. Two languages of a target share an item if it has the same id in
both. (Files that only number their lines have equal ids too; the covariance of their languages is
then zero but for chance.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xstilts.analysis.statistics.contrast import ItemNoise
from xstilts.analysis.statistics.design import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xstilts.analysis.statistics.design import Floats
    from xstilts.analysis.statistics.score_table import Unit

Cell = tuple[str, str]
"""A condition and a language of one target."""


@dataclass(frozen=True)
class WeightedScores:
    """An effect as a weighted sum of mean scores over seeds.

    ``weights``: of each unit in the question (`Design.weights`), shape (U,). ``conditions``: of
    each condition's scores, shape (U,) each; those of a baseline are negative.
    """

    encoder: str
    units: tuple[Unit, ...]
    weights: Floats
    conditions: Mapping[str, Floats]

    def of_target(self, target: str) -> WeightedScores:
        """The part of one target."""
        inside = np.array([unit.target == target for unit in self.units])
        units = tuple(unit for unit in self.units if unit.target == target)
        conditions = {name: weights[inside] for name, weights in self.conditions.items()}
        return WeightedScores(self.encoder, units, self.weights[inside], conditions)


NoiseOfItems = Callable[[WeightedScores], ItemNoise | None]
"""What reads the noise of items in an effect; None where it is not known."""


class Influences(NamedTuple):
    """What the items of a language add to the scores of a condition.

    ``items``: numbers of the items, shape (n,), sorted; ``points``: shape (S, n), of each seed.
    """

    items: NDArray[np.intp]
    points: Floats


@dataclass(frozen=True)
class ItemCovariance:
    """The covariance of mean scores over seeds by the choice of test items, of one target.

    ``cells``: a row and a column each of ``matrix``, in squared points. What an item adds in single
    trainings only is taken out, because the variance between trainings holds it; with one training
    it cannot be told apart and stays in.
    """

    cells: tuple[Cell, ...]
    matrix: Floats

    def noise(self, scores: WeightedScores) -> ItemNoise | None:
        """The noise of items in the part of an effect that is of this target.

        None if a score that has a weight is not known here.
        """
        places = {cell: place for place, cell in enumerate(self.cells)}
        weights = np.stack([*scores.conditions.values()])
        rows = np.array(
            [
                [places.get((condition, unit.language), -1) for unit in scores.units]
                for condition in scores.conditions
            ]
        )
        if np.any(weights[rows < 0] != 0):
            return None
        rows = rows.ravel()
        matrix = self.matrix[np.ix_(rows, rows)].reshape(*weights.shape, *weights.shape)
        between = np.einsum("cu,cudv,dv->uv", weights, matrix, weights)
        return _noise(between, scores.weights)


def _noise(between: Floats, weights: Floats) -> ItemNoise:
    """The noise from its covariance between languages, shape (U, U), which holds their weights.

    Languages share what lies beside the diagonal. What they share in full moves the effect by the
    sum of the weights, which is zero for a difference between languages.
    """
    whole = float(between.sum())
    beside = float(between[~np.eye(len(between), dtype=bool)].sum())
    square, squares = float(weights.sum()) ** 2, float(np.sum(weights**2))
    shared = 0.0
    if square > TOLERANCE and abs(square - squares) > TOLERANCE:
        shared = beside * square / (square - squares)
    return ItemNoise(all=max(0.0, whole), shared=min(max(0.0, shared), max(0.0, whole)))


def item_covariance(influences: Mapping[Cell, Influences]) -> ItemCovariance:
    """The covariance of the mean scores of all conditions and languages of a target.

    The seeds of a condition must be the same, in the same order, in all its languages.
    """
    cells = tuple(influences)
    by_language: dict[str, list[int]] = {}
    for place, (_, language) in enumerate(cells):
        by_language.setdefault(language, []).append(place)
    blocks = {
        language: _Block.of(places, [influences[cells[place]] for place in places])
        for language, places in by_language.items()
    }
    matrix = np.zeros((len(cells), len(cells)))
    names = list(blocks)
    for number, one in enumerate(names):
        for other in names[: number + 1]:
            rows, columns = blocks[one], blocks[other]
            found = rows.covariance(columns, cells)
            matrix[np.ix_(rows.places, columns.places)] = found
            matrix[np.ix_(columns.places, rows.places)] = found.T
    return ItemCovariance(cells, matrix)


@dataclass(frozen=True)
class _Block:
    """The conditions of one language over all items that any of them has."""

    places: list[int]
    items: NDArray[np.intp]
    means: Floats
    """Over seeds, shape (conditions, items)."""
    deviations: tuple[Floats, ...]
    """From these means, shape (seeds, items) for each condition."""

    @staticmethod
    def of(places: list[int], found: Sequence[Influences]) -> _Block:
        items = np.unique(np.concatenate([one.items for one in found]))
        # influences are around a mean that is estimated from the same items
        scale = np.sqrt(len(items) / max(1, len(items) - 1))
        means = np.zeros((len(found), len(items)))
        deviations = []
        for mean, one in zip(means, found, strict=True):
            points = np.zeros((len(one.points), len(items)))
            points[:, np.searchsorted(items, one.items)] = scale * one.points
            mean[:] = points.mean(axis=0)
            deviations.append(points - mean)
        return _Block(places, items, means, tuple(deviations))

    def covariance(self, other: _Block, cells: Sequence[Cell]) -> Floats:
        """The covariance by the shared items, shape (conditions, conditions of the other)."""
        if np.array_equal(self.items, other.items):
            mine: slice | NDArray[np.intp] = slice(None)
            its: slice | NDArray[np.intp] = slice(None)
        else:
            _, mine, its = np.intersect1d(
                self.items, other.items, assume_unique=True, return_indices=True
            )
        found = self.means[:, mine] @ other.means[:, its].T
        conditions = [cells[place][0] for place in other.places]
        for row, place in enumerate(self.places):
            if (condition := cells[place][0]) not in conditions:
                continue
            column = conditions.index(condition)
            first, second = self.deviations[row], other.deviations[column]
            if (seeds := len(first)) > 1:
                product = np.einsum("sn,sn->", first[:, mine], second[:, its])
                found[row, column] -= product / (seeds - 1) / seeds
        return np.asarray(found)
