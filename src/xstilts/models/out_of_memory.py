"""Memory that runs out, on a GPU or on the CPU: the work is repeated in smaller parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

from xstilts.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


_SIGNS = (
    "can't allocate memory",  # torch's allocator on the CPU
    "not enough memory",  # the same on Windows
    "bad_alloc",
    "CUDA error: out of memory",  # torch.AcceleratorError: memory that torch's allocator lacks
    "_ALLOC_FAILED",  # cuBLAS, cuDNN
    "CUBLAS_STATUS_NOT_INITIALIZED",  # cuBLAS found no memory for its workspace
)
"""What torch's plain `RuntimeError` says where an allocation failed."""


def with_all_memory(title: str, work: Callable[[], T]) -> T:
    """Do work that cannot be split; where memory runs out, once more with the cache emptied.

    ``work`` must change nothing before its last allocation. Raises `TrainingError` where memory
    runs out again.
    """
    for last in (False, True):
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if last:
                raise TrainingError(
                    f"{title}: out of memory; the encoder and the optimiser's moments do not fit "
                    "on this device: use a larger one, or a smaller encoder"
                ) from error
        # outside of the handler, where no traceback holds the tensors of the failed attempt
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise AssertionError("unreachable: the second attempt returns or raises")


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
