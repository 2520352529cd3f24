"""Exact nearest neighbours by inner product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.nearest_neighbours import nearest, normalise


def tables(rows=6):
    """Small tables of whole numbers, whose inner products are exact."""
    row = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
    return st.lists(row, min_size=1, max_size=rows).map(lambda t: np.array(t, dtype=np.float64))


@given(tables(), tables(), st.integers(1, 8))
def test_nearest_against_sorting(queries, candidates, k):
    """Neighbours are the first k of all candidates by similarity, then by row."""
    found = nearest(queries, candidates, k)
    for query, similarity, rows in zip(queries, *found, strict=True):
        values = [float(query @ candidate) for candidate in candidates]
        ordered = sorted(range(len(values)), key=lambda row: (-values[row], row))
        assert list(rows) == ordered[:k]
        assert list(similarity) == [values[row] for row in ordered[:k]]


def test_blocks_do_not_change_the_result(monkeypatch):
    """Queries that are handled block by block have the same neighbours."""
    rng = np.random.default_rng(0)
    vectors = rng.integers(-4, 5, (50, 4)).astype(np.float64)
    whole = nearest(vectors, vectors, 4)
    monkeypatch.setattr("xstilts.metrics.nearest_neighbours.BLOCK", 120)
    assert np.array_equal(nearest(vectors, vectors, 4).row, whole.row)


def test_zero_rows_stay_zero():
    """Normalising gives length 1, and leaves a zero row as it is."""
    unit = normalise(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert unit.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_vector_errors():
    """Damaged vectors are refused with their place."""
    with pytest.raises(ValueError, match=r"^vector 1 has a NaN or infinite value$"):
        normalise(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match=r"^vectors must be a table of floats, got \(2,\) int64$"):
        normalise(np.array([1, 2]))
    with pytest.raises(ValueError, match=r"^vectors of different widths: \[3, 2\]$"):
        nearest(np.ones((1, 3)), np.ones((1, 2)), 1)
    with pytest.raises(ValueError, match=r"^0 neighbours among 1 candidates; need at least 1$"):
        nearest(np.ones((1, 3)), np.ones((1, 3)), 0)
