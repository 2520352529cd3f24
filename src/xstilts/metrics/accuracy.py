"""Accuracy: XNLI, PAWS-X, XCOPA, Tatoeba and every other task with one label an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """The percentage of equal labels.

    >>> accuracy(["entailment", "neutral"], ["entailment", "entailment"])
    50.0
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels but {len(predicted)} predicted")
    if not gold:
        raise ValueError("no labels to score; give at least one")
    correct = sum(g == p for g, p in zip(gold, predicted, strict=True))
    return percentage(correct, len(gold))


def percentage(right: int, total: int) -> float:
    """An accuracy in per cent, rounded as by XTREME's ``evaluate.py``: (n / N) * 100.

    100 * n / N has another last digit for every fourth n of N = 1000.

    >>> percentage(7, 1000), 100 * 7 / 1000
    (0.7000000000000001, 0.7)
    """
    return right / total * 100
