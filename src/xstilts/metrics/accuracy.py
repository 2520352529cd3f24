"""Accuracy: XNLI, PAWS-X, XCOPA, Tatoeba and every other task with one label an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """The percentage of equal labels, rounded as XTREME's ``evaluate.py`` does: (n / N) * 100.

    >>> accuracy(["entailment", "neutral"], ["entailment", "entailment"])
    50.0
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels but {len(predicted)} predicted")
    if not gold:
        raise ValueError("no labels to score; give at least one")
    correct = sum(g == p for g, p in zip(gold, predicted, strict=True))
    return correct / len(gold) * 100
