"""Memory that runs out: the work is cut smaller and done again, on a GPU and on the CPU."""

from __future__ import annotations

from typing import TypeVar

import torch

from xstilts.errors import TrainingError

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in said for sign in ("can't allocate memory", "_ALLOC_FAILED", "bad_alloc")
    )


def halved(what: str, budget: int, tokens: int, items: int) -> int:
    """A budget of half as many tokens as were too many.

    ``tokens`` are those of the largest batch, ``items`` the most that a batch had. Raises
    `TrainingError` where that is one: there is nothing left to cut.
    """
    if items == 1:
        raise TrainingError(
            f"{what}: out of memory with one example of {tokens} tokens at a time; "
            "lower max_length, or use a larger device"
        )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    smaller = max(1, min(budget, tokens) // 2)
    print(
        f"{what}: out of memory; done again, and all that follow, with at most {smaller} tokens "
        f"at a time instead of {tokens}",
        flush=True,
    )
    return smaller
