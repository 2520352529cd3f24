"""One forward pass over many instances, in batches that are halved when memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.models.batch import batches_by_tokens, pack
from xstilts.models.out_of_memory import T, halve_budget, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from xstilts.models.batch import Batch, NumberedFeatures
    from xstilts.models.device import Device


def outputs_of(
    title: str,
    features: NumberedFeatures,
    budget: int,
    device: Device,
    forward: Callable[[Batch], Sequence[np.ndarray]],
) -> list[np.ndarray]:
    """What ``forward`` gives for each instance, in the order of the instances.

    ``forward`` gets a batch on the device, of at most ``budget`` tokens, and gives one array an
    instance. Raises `TrainingError` with ``title`` where one instance does not fit in memory.
    """

    def compute(instances: list[int]) -> Sequence[np.ndarray]:
        batch = pack(features, instances).to(device.torch)
        with device.autocast():
            return forward(batch)

    return run_in_batches(title, features.lengths(), budget, compute)


def run_in_batches(
    title: str, lengths: np.ndarray, budget: int, compute: Callable[[list[int]], Sequence[T]]
) -> list[T]:
    """What ``compute`` gives for each instance, in batches of at most ``budget`` tokens.

    ``lengths`` (n,) are the instances' tokens. A batch that does not fit in memory is computed
    again in parts of half as many tokens, and so are the batches after it. Raises `TrainingError`
    where one instance does not fit.
    """
    results: dict[int, T] = {}
    while left := [i for i in range(len(lengths)) if i not in results]:
        for batch in batches_by_tokens(lengths, left, budget):
            try:
                outputs = compute(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                break
            results |= zip(batch, outputs, strict=True)
        else:
            break
        # outside of the handler, where no traceback holds the tensors of the failed pass
        budget = halve_budget(title, budget, int(lengths[batch].sum()), len(batch))
    return [results[i] for i in range(len(lengths))]
