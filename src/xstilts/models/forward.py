"""Outputs of many items, in batches that are halved when memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.models.batch import by_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
from xstilts.models.out_of_memory import T, halved, is_out_of_memory


def fitted(
    what: str,
    lengths: np.ndarray,
    budget: int,
    compute: Callable[[list[int]], Sequence[T]],
    items: Sequence[int],
) -> dict[int, T]:
    """What ``compute`` gives for each of some items, in batches of at most ``budget`` tokens.

    A batch that does not fit in memory is done again in parts of half as many tokens, and so are
    those that come after it.
    """
    found: dict[int, T] = {}
    while left := [item for item in items if item not in found]:
        for batch in by_tokens(lengths, left, budget):
            try:
                outputs = compute(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                break
            found |= zip(batch, outputs, strict=True)
        else:
            break
        # out of the handler, where the failed pass is not held by its traceback
        budget = halved(what, budget, int(lengths[batch].sum()), len(batch))
    return found
