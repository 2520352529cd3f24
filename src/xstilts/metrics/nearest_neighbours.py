"""Exact nearest neighbours by inner product with numpy, as in XTREME (faiss' flat indexes).

Ties go to the lowest row. Time grows with queries x candidates, which is fine for thousands of
both. Callers with more vectors pass another `Search`, such as
`xstilts.tasks.nearest_neighbours.nearest`, which uses a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]
BLOCK = 2**24
"""Similarities in memory at once (64 MiB in single precision)."""
_ROWS = 2**14
"""Vectors that are processed together: temporary arrays stay small."""


class Neighbours(NamedTuple):
    """For each query (row) its nearest candidates, best first."""

    similarity: Vectors
    row: NDArray[np.int64]


Search = Callable[[Vectors, Vectors, int], Neighbours]
"""The signature of `nearest`: queries, candidates, number of neighbours."""


def normalise(vectors: Vectors | Sequence[Vectors]) -> Vectors:
    """Rows of length 1 (a zero row stays zero, as in ``faiss.normalize_L2``).

    ``vectors`` is an array of shape (rows, width) or a list of rows. The result is the only copy.
    """
    if not len(vectors):
        return np.asarray(vectors, dtype=np.float64).reshape(0, np.shape(vectors)[-1])
    unit: Vectors | None = None
    for start in range(0, len(vectors), _ROWS):
        block = np.asarray(vectors[start : start + _ROWS])
        _check(block, first=start)
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        if unit is None:
            unit = np.empty((len(vectors), block.shape[1]), block.dtype)
        unit[start : start + _ROWS] = block / np.where(lengths == 0, 1, lengths)
    assert unit is not None
    return unit


def nearest(queries: Vectors, candidates: Vectors, k: int) -> Neighbours:
    """The ``k`` candidates (or all, if fewer) with the largest inner product for each query."""
    k = checked_count(queries, candidates, k)
    rows = np.empty((len(queries), k), dtype=np.int64)
    similarity = np.empty((len(queries), k), dtype=np.result_type(queries, candidates))
    step = max(1, BLOCK // len(candidates))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ candidates.T
        for query, values in enumerate(block, start=start):
            rows[query] = _largest(values, k)
            similarity[query] = values[rows[query]]
    return Neighbours(similarity, rows)


def _largest(values: Vectors, k: int) -> NDArray[np.int64]:
    """The positions of the k largest values, largest first; ties: the lowest position first."""
    if k == 1:
        return np.array([np.argmax(values)])
    least = np.partition(values, len(values) - k)[len(values) - k]
    enough = np.flatnonzero(values >= least)
    best: NDArray[np.int64] = enough[np.argsort(-values[enough], kind="stable")][:k]
    return best


def checked_count(queries: Vectors, candidates: Vectors, k: int) -> int:
    """How many neighbours a query gets: ``k``, or all candidates if there are fewer.

    Raises `ValueError` for vectors that cannot be compared.
    """
    _check(queries)
    _check(candidates)
    if queries.shape[1] != candidates.shape[1]:
        raise ValueError(f"vectors of different widths: {[queries.shape[1], candidates.shape[1]]}")
    if k < 1 or not len(candidates):
        raise ValueError(f"{k} neighbours among {len(candidates)} candidates; need at least 1")
    return min(k, len(candidates))


def _check(array: Vectors, first: int = 0) -> None:
    """Raise `ValueError` unless it is a finite float table; ``first`` is its first row's number."""
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"vectors must be a table of floats, got {array.shape} {array.dtype}")
    for start in range(0, len(array), _ROWS):
        whole = np.isfinite(array[start : start + _ROWS]).all(axis=1)
        if not whole.all():
            bad = first + start + int(np.flatnonzero(~whole)[0])
            raise ValueError(f"vector {bad} has a NaN or infinite value")
