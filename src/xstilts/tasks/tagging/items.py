"""What each sentence adds to a score of tagging."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from xstilts.tasks.items import Counts, ItemParts, ids_of, of_counts
from xstilts.tasks.tagging.scoring import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.metrics.chunk_f1 import Rule
    from xstilts.tasks.items import Floats, Predicted


def item_parts(predicted: Predicted) -> ItemParts | None:
    """The sentences of a score; None for another metric."""
    ids = ids_of(predicted.table)
    found, gold = (predicted.table[name].to_pylist() for name in ("prediction", "gold"))
    if predicted.metric == "accuracy":
        right = [sum(map(str.__eq__, *pair)) for pair in zip(found, gold, strict=True)]
        return ItemParts(ids, np.asarray(right, np.float64), np.asarray([*map(len, gold)], float))
    rule = RULES.get(predicted.scorer)
    return of_counts(ids, predicted.metric, chunk_counts(gold, found, rule)) if rule else None


def chunk_counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], rule: Rule
) -> Counts:
    """Right, predicted and gold chunks of each sentence; ``rule`` reads the chunks."""
    starts = np.array([0, *accumulate(len(sentence) + 1 for sentence in gold)])
    expected, found = set(rule(gold)), set(rule(predicted))

    def by_sentence(chunks: set[Any]) -> Floats:
        places = np.fromiter((chunk.start for chunk in chunks), np.intp, len(chunks))
        sentences = np.searchsorted(starts, places, side="right") - 1
        return np.bincount(sentences, minlength=len(gold)).astype(np.float64)

    return Counts(by_sentence(expected & found), by_sentence(found), by_sentence(expected))
