"""Accuracy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.accuracy import accuracy

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
