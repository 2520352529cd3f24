"""Sums in the order of the official scripts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.summation import harmonic_mean, mean, sequential_sum


def test_sequential_sum_rounds_after_each_addition():
    """The sum is neither compensated (Python 3.12's sum) nor pairwise (numpy's)."""
    values = [0.1] * 10
    assert sequential_sum(values) == 0.9999999999999999
    assert math.fsum(values) == 1.0


def test_mean_is_the_sequential_sum_over_the_count():
    """It needs at least one value."""
    assert mean([0.1] * 10) == 0.9999999999999999 / 10
    with pytest.raises(ValueError, match=r"^mean of no values; give at least one$"):
        mean([])


@given(st.fractions(0, 1, max_denominator=10**6), st.fractions(0, 1, max_denominator=10**6))
def test_harmonic_mean_lies_between(precision, recall):
    """F1 lies between precision and recall, and is 0 where both are."""
    f1 = harmonic_mean(float(precision), float(recall))
    low, high = sorted((float(precision), float(recall)))
    assert low * (1 - 1e-9) <= f1 <= high * (1 + 1e-9)
