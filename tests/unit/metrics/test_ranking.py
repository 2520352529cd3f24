"""Mean average precision at 20."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.ranking import average_precision, mean_average_precision, rank

NAMES = [f"Q{i}" for i in range(30)]


@pytest.mark.parametrize(
    ("ranked", "relevant", "expected"),
    [
        ("a b c", "a", 1.0),
        ("b a c", "a", 1 / 2),
        ("b c", "a", 0.0),
        ("", "a", 0.0),
        ("a x b", "a b", (1 + 2 / 3) / 2),
        ("x a", "a b c", 1 / 2 / 3),
        ("a a b", "a b", (1 + 2 / 3) / 2),  # a name counts once
    ],
)
def test_average_precision(ranked, relevant, expected):
    """Average precision is the mean over the right names of the precision at their rank."""
    assert average_precision(ranked.split(), set(relevant.split())) == pytest.approx(expected)


def test_cutoff():
    """Rank 20 counts, rank 21 does not, and more right names than 20 are divided by 20."""
    assert average_precision(NAMES, {"Q19"}) == 1 / 20
    assert average_precision(NAMES, {"Q20"}) == 0.0
    assert average_precision(NAMES, set(NAMES)) == 1.0
    assert average_precision(["x", *NAMES], {"Q0"}, cutoff=1) == 0.0


@given(st.permutations(NAMES), st.sets(st.sampled_from(NAMES), min_size=1))
def test_average_precision_bounds(ranked, relevant):
    """It lies in 0..1, and is 1 exactly where the first ranks are all right."""
    score = average_precision(ranked, relevant)
    first = ranked[: min(len(relevant), 20)]
    assert 0 <= score <= 1
    assert (score == pytest.approx(1.0)) == (set(first) <= relevant)


@given(st.permutations(NAMES), st.sampled_from(NAMES))
def test_one_right_name_is_the_reciprocal_rank(ranked, name):
    """With one right name it is the reciprocal rank at 20."""
    place = ranked.index(name) + 1
    assert average_precision(ranked, [name]) == (1 / place if place <= 20 else 0.0)


def test_mean_counts_unanswered_queries():
    """A query without ranking is 0; rankings of unknown queries are ignored."""
    relevant = {"q1": ["a"], "q2": ["b"]}
    assert mean_average_precision(relevant, {"q1": ["a"], "q9": ["b"]}) == 50.0


def test_rank_by_cosine():
    """Candidates are ranked by cosine; of equals the earlier comes first."""
    candidates = np.array([[0.0, 1.0], [5.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert rank(np.array([[1.0, 0.0]]), candidates, list("wxyz"), 3) == [["x", "y", "z"]]


def test_errors():
    """Nothing right, no queries and names that do not fit are refused."""
    with pytest.raises(ValueError, match=r"^no relevant candidate; give at least one$"):
        average_precision(["a"], [])
    with pytest.raises(ValueError, match=r"^no queries to score; give at least one$"):
        mean_average_precision({}, {})
    with pytest.raises(ValueError, match=r"^1 names but 2 candidate vectors$"):
        rank(np.ones((1, 2)), np.ones((2, 2)), ["a"])
