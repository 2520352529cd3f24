"""Memory that runs out, on a GPU or on the CPU: the work is repeated in smaller parts."""

from __future__ import annotations

from typing import TypeVar

import torch

from xstilts.errors import TrainingError

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in message for sign in ("can't allocate memory", "_ALLOC_FAILED", "bad_alloc")
    )


def halve_budget(title: str, budget: int, tokens: int, instances: int) -> int:
    """Half of a budget of tokens that was too large.

    ``tokens`` are those of the largest batch, ``instances`` the most that a batch had. Raises
    `TrainingError` where that is one: a single instance cannot be split.
    """
    if instances == 1:
        raise TrainingError(
            f"{title}: out of memory with one example of {tokens} tokens at a time; "
            "lower max_length, or use a larger device"
        )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    smaller = max(1, min(budget, tokens) // 2)
    print(
        f"{title}: out of memory; computed again, as everything after it, with at most {smaller} "
        f"tokens at a time instead of {tokens}",
        flush=True,
    )
    return smaller
