"""Sums in the order of the official scripts, to the last bit.

The official evaluators add Python floats from left to right. From Python 3.12 on, the built-in
``sum`` compensates rounding errors, and ``numpy.mean`` adds in pairs: both give other last bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def sequential_sum(values: Iterable[float]) -> float:
    """Add from left to right and round after each addition, as ``sum`` did up to Python 3.11.

    >>> sequential_sum([0.1] * 10)
    0.9999999999999999
    """
    total = 0.0
    for value in values:
        total += value
    return total


def mean(values: Collection[float]) -> float:
    """The sequential sum over the count, as ``sum(v) / len(v)`` in XTREME's ``evaluate.py``."""
    if not values:
        raise ValueError("mean of no values; give at least one")
    return sequential_sum(values) / len(values)


def harmonic_mean(precision: float, recall: float) -> float:
    """F1 of a precision and a recall; 0 if both are 0."""
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)
