"""Exact nearest neighbours by inner product, with numpy: what XTREME does with faiss' flat indexes.

Ties go to the lowest row. Time grows with queries x candidates: fine for Tatoeba, LAReQA and BUCC's
sample sets; for a million candidates find the neighbours on a GPU and pass ``Neighbours`` on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]
_BLOCK = 2**24
"""Similarities in memory at once (64 MiB in single precision)."""


class Neighbours(NamedTuple):
    """For each query (row) its nearest candidates, best first."""

    similarity: Vectors
    row: NDArray[np.int64]


def normalise(vectors: Vectors) -> Vectors:
    """Rows of length 1 (a zero row stays zero, as in ``faiss.normalize_L2``)."""
    _check(vectors)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.where(lengths == 0, 1, lengths)
    return unit


def nearest(queries: Vectors, candidates: Vectors, k: int) -> Neighbours:
    """The ``k`` candidates (or all, if fewer) with the largest inner product for each query."""
    _check(queries, candidates)
    if k < 1 or not len(candidates):
        raise ValueError(f"{k} neighbours among {len(candidates)} candidates; need at least 1")
    k = min(k, len(candidates))
    rows = np.empty((len(queries), k), dtype=np.int64)
    similarity = np.empty((len(queries), k), dtype=np.result_type(queries, candidates))
    step = max(1, _BLOCK // len(candidates))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ candidates.T
        for query, values in enumerate(block, start=start):
            rows[query] = _largest(values, k)
            similarity[query] = values[rows[query]]
    return Neighbours(similarity, rows)


def _largest(values: Vectors, k: int) -> NDArray[np.int64]:
    """The positions of the k largest values, largest first, of equals the lowest position first."""
    if k == 1:
        return np.array([np.argmax(values)])
    least = np.partition(values, len(values) - k)[len(values) - k]
    enough = np.flatnonzero(values >= least)
    best: NDArray[np.int64] = enough[np.argsort(-values[enough], kind="stable")][:k]
    return best


def _check(*arrays: Vectors) -> None:
    for array in arrays:
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"vectors must be a table of floats, got {array.shape} {array.dtype}")
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise ValueError(f"vector {bad} has a NaN or infinite value")
    if len({array.shape[1] for array in arrays}) > 1:
        raise ValueError(f"vectors of different widths: {[array.shape[1] for array in arrays]}")
