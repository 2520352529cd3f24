"""What each query adds to a score of retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.metrics.ranking import average_precision
from xstilts.tasks.items import as_counts, mean, of_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.tasks.items import ItemParts, Predicted


def item_parts(predicted: Predicted) -> ItemParts | None:
    """The queries of a score; None for a metric of which predictions are not kept."""
    rows = predicted.table.to_pylist()
    if predicted.scorer == "bucc":
        return _mined_pairs(rows, predicted.metric, predicted.n)
    ids = [row["id"] for row in rows]
    if (predicted.scorer, predicted.metric) == ("map20", "map_at_20"):
        return mean(ids, [average_precision(row["prediction"], row["gold"]) for row in rows])
    if (predicted.scorer, predicted.metric) == ("nearest", "accuracy"):
        return mean(ids, [row["prediction"] in row["gold"] for row in rows])
    return None


def _mined_pairs(rows: Sequence[Mapping[str, Any]], metric: str, n: int) -> ItemParts | None:
    """Queries with the pairs that were mined of them, and then the gold pairs of the others."""
    pairs: dict[str, set[str]] = {row["id"]: set() for row in rows}
    gold = {row["id"]: set(row["gold"]) for row in rows}
    for row in rows:
        if row["kept"]:
            pairs[row["id"]].add(row["prediction"])
    counts = [(len(pairs[q] & gold[q]), len(pairs[q]), len(gold[q])) for q in pairs]
    others = n - sum(map(len, gold.values()))
    ids = [*pairs, *(f"gold pair {number} that was not mined" for number in range(others))]
    return of_counts(ids, metric, as_counts([*counts, *[(0, 0, 1)] * others]))
