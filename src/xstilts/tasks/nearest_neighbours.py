"""Exact nearest neighbours where the encoder runs: for as many sentences as BUCC and Mewsli-X have.

BUCC compares every sentence of a corpus of some 400,000 with every sentence of another, twice. One
core of a CPU needs hours for that, beside a GPU that has nothing to do (docs/performance.md). The
neighbours are those of `xstilts.metrics.nearest_neighbours.nearest`, ties to the lowest row;
products are in the vectors' own precision and rounded as torch rounds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xstilts.metrics.nearest_neighbours import Neighbours, checked_count
from xstilts.models.device import uploaded

if TYPE_CHECKING:
    from xstilts.metrics.nearest_neighbours import Vectors

QUERIES, CANDIDATES = 2**9, 2**17
"""How many are compared at once: 256 MiB of similarities in single precision."""


@torch.inference_mode()
def nearest(queries: Vectors, candidates: Vectors, k: int) -> Neighbours:
    """The ``k`` candidates (or all, if fewer) with the largest inner product for each query."""
    k = checked_count(queries, candidates, k)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.result_type(torch.from_numpy(queries[:0]), torch.from_numpy(candidates[:0]))
    similarity = torch.full((len(queries), k), -torch.inf, dtype=dtype, device=device)
    row = torch.zeros((len(queries), k), dtype=torch.int64, device=device)
    for first in range(0, len(candidates), CANDIDATES):
        pool = uploaded(candidates[first : first + CANDIDATES], device).to(dtype).T
        for start in range(0, len(queries), QUERIES):
            some = slice(start, start + QUERIES)
            block = uploaded(queries[some], device).to(dtype) @ pool
            values, places = _largest(block, min(k, len(pool.T)))
            # earlier candidates win ties: their rows are lower
            values = torch.cat([similarity[some], values], 1)
            places = torch.cat([row[some], places + first], 1)
            similarity[some], order = _first(values, k)
            row[some] = places.gather(1, order)
    return Neighbours(similarity.cpu().numpy(), row.cpu().numpy())


def _largest(block: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest values of each row and their places, of equals the lowest place first."""
    values, places = block.topk(k)
    places, order = places.sort(dim=1)
    values, order = _first(values.gather(1, order), k)
    places = places.gather(1, order)
    # more than k are as large as the last of them: which of these topk takes is left open
    tied = (block >= values[:, -1:]).sum(1) > k
    if tied.any():
        values[tied], places[tied] = _first(block[tied], k)
    return values, places


def _first(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row, of equals the first, and where they stood."""
    found, order = values.sort(dim=1, descending=True, stable=True)
    return found[:, :k], order[:, :k]
