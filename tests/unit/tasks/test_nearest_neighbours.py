"""Neighbours found with torch are those of `xstilts.metrics.nearest_neighbours`."""

from __future__ import annotations

import numpy as np
import pytest

from xstilts.metrics import nearest_neighbours as metric
from xstilts.tasks import nearest_neighbours


@pytest.mark.parametrize("k", [1, 4, 20, 99])
@pytest.mark.parametrize(("some", "pool"), [(2**9, 2**17), (7, 5), (40, 3)])
def test_the_neighbours_are_those_of_the_metric(monkeypatch, k, some, pool):
    """However many are compared at once; vectors of few small integers have many ties."""
    monkeypatch.setattr(nearest_neighbours, "QUERIES", some)
    monkeypatch.setattr(nearest_neighbours, "CANDIDATES", pool)
    draw = np.random.default_rng(k)
    queries, candidates = (draw.integers(-1, 2, (rows, 3)).astype(np.float32) for rows in (30, 50))
    wanted, found = (
        how(queries, candidates, k) for how in (metric.nearest, nearest_neighbours.nearest)
    )
    np.testing.assert_array_equal(found.row, wanted.row)
    np.testing.assert_array_equal(found.similarity, wanted.similarity)
    assert (found.row.dtype, found.similarity.dtype) == (wanted.row.dtype, wanted.similarity.dtype)


def test_vectors_that_cannot_be_compared_are_refused():
    """As by the metric."""
    with pytest.raises(ValueError, match="vector 1 has a NaN or infinite value"):
        nearest_neighbours.nearest(np.array([[1.0], [np.nan]]), np.ones((2, 1)), 1)
    with pytest.raises(ValueError, match="vectors of different widths"):
        nearest_neighbours.nearest(np.ones((1, 3)), np.ones((1, 2)), 1)
