"""What each test item adds to a score, from the stored predictions.

Every metric of the task types is a ratio of sums over items: accuracy is right items over items,
chunk F1 is twice the right chunks over gold and predicted chunks. So one formula gives the
influence of an item on any of them (the infinitesimal jackknife, Efron 1982, chapter 6). It is the
first-order form of a bootstrap of items, costs a thousandth of it, and tells what repeats with
other trainings from what does not. A threshold that is chosen for the best score (BUCC, TyDi QA) is
taken as given. A type that has these parts says so in its module ``items``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ItemParts:
    """A score as a ratio of sums over its test items.

    ``numerators`` and ``denominators``: of each item, shape (items,); their names are ``ids``.
    """

    ids: Sequence[str]
    numerators: Floats
    denominators: Floats

    @property
    def score(self) -> float:
        """The score in per cent; 0 where all denominators are 0."""
        whole = float(self.denominators.sum())
        return 100 * float(self.numerators.sum()) / whole if whole else 0.0

    @property
    def influences(self) -> Floats:
        """What each item adds to the score, in points, to first order, shape (items,).

        They sum to zero. The variance of the score by the choice of the items is the sum of their
        squares.
        """
        whole = float(self.denominators.sum())
        if not whole:
            return np.zeros_like(self.numerators)
        return (100 * self.numerators - self.score * self.denominators) / whole


class Predicted(NamedTuple):
    """The predictions of a score, and how they are scored.

    ``n``: how many things were scored, as the score records it.
    """

    table: pa.Table
    n: int
    scorer: str
    metric: str
    language: str


def item_parts(task_type: str, predicted: Predicted) -> ItemParts | None:
    """The items of a score; None for a type or a metric of which they cannot be told."""
    name = f"xstilts.tasks.{task_type}.items"
    if not find_spec(name):
        return None
    return cast("ItemParts | None", import_module(name).item_parts(predicted))


# --- what several types share --------------------------------------------------------------------


class Counts(NamedTuple):
    """Right, predicted and gold things of each item, shape (items,) each."""

    right: Floats
    predicted: Floats
    gold: Floats


def of_counts(ids: Sequence[str], metric: str, counts: Counts) -> ItemParts | None:
    """F1, precision or recall of counts; None for another metric."""
    right, predicted, gold = counts
    ratios = {
        "f1": (2 * right, predicted + gold),
        "precision": (right, predicted),
        "recall": (right, gold),
    }
    return ItemParts(ids, *ratios[metric]) if metric in ratios else None


def as_counts(rows: Sequence[tuple[float, float, float]]) -> Counts:
    """Counts of (right, predicted, gold) rows, one an item."""
    return Counts(*np.asarray(rows, dtype=np.float64).reshape(-1, 3).T)


def mean(ids: Sequence[str], values: Sequence[float] | Floats) -> ItemParts:
    """The mean of a value of each item, from 0 to 1."""
    return ItemParts(ids, np.asarray(values, dtype=np.float64), np.ones(len(ids)))


def ids_of(table: pa.Table) -> list[str]:
    """The ids of a table of predictions."""
    return [str(one) for one in table["id"].to_pylist()]


def right_answers(predicted: Predicted) -> ItemParts | None:
    """The items of an accuracy; None for another metric."""
    if predicted.metric != "accuracy":
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    answers, gold = (predicted.table[name].cast(pa.string()) for name in ("prediction", "gold"))
    return mean(ids_of(predicted.table), pc.equal(answers, gold).to_numpy())
