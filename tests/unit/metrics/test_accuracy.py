"""Accuracy and the sums under all averages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.accuracy import accuracy
from xstilts.metrics.summation import harmonic_mean, left_sum, mean

LABELS = st.sampled_from(["entailment", "neutral", "contradiction"])


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("0", "0", 100.0),
        ("01", "10", 0.0),
        ("0110", "0111", 75.0),
        ("001", "000", 2 / 3 * 100),
    ],
)
def test_accuracy_table(gold, predicted, expected):
    """Accuracy is the share of equal labels times 100."""
    assert accuracy(list(gold), list(predicted)) == expected


def test_rounding_is_that_of_evaluate_py():
    """The share is rounded before it is multiplied, as in the official script: 29/100 is not 29."""
    assert accuracy(["1"] * 100, ["1"] * 29 + ["0"] * 71) == 28.999999999999996


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1), st.randoms())
def test_order_of_examples_does_not_matter(pairs, random):
    """Accuracy lies in 0..100 and does not depend on the order of the examples."""
    score = accuracy(*zip(*pairs, strict=True))
    random.shuffle(pairs)
    assert 0 <= score <= 100
    assert accuracy(*zip(*pairs, strict=True)) == score


def test_errors():
    """Unequal lengths and nothing to score are refused with both numbers."""
    with pytest.raises(ValueError, match=r"^2 gold labels but 1 predicted$"):
        accuracy(["a", "b"], ["a"])
    with pytest.raises(ValueError, match=r"^no labels to score; give at least one$"):
        accuracy([], [])


def test_left_sum_rounds_after_each_addition():
    """The sum is neither compensated (Python 3.12's sum) nor pairwise (numpy's)."""
    values = [0.1] * 10
    assert left_sum(values) == 0.9999999999999999
    assert math.fsum(values) == 1.0
    assert mean([1.0, 2.0]) == 1.5
    with pytest.raises(ValueError, match=r"^mean of no values; give at least one$"):
        mean([])


@given(st.fractions(0, 1, max_denominator=10**6), st.fractions(0, 1, max_denominator=10**6))
def test_harmonic_mean_lies_between(precision, recall):
    """F1 lies between precision and recall, and is 0 where both are."""
    f1 = harmonic_mean(float(precision), float(recall))
    low, high = sorted((float(precision), float(recall)))
    assert low * (1 - 1e-9) <= f1 <= high * (1 + 1e-9)
