"""Ranks: the processes that share one training, as one of them sees them.

Every rank holds the whole network and takes the same steps. Of a step's items each has a part; the
gradients are added up, and from there on all do the same, bit for bit. They talk through
Accelerate: over NCCL between GPUs, over gloo between CPUs. One process alone needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from torch import nn

T = TypeVar("T")

BUCKET = 2**24
"""Numbers that are added up at once: 64 MB, of which two copies lie there meanwhile."""


@dataclass(frozen=True)
class Ranks:
    """``count`` processes, of which this is number ``rank``, from 0; alone by default.

    What one does of `gather` and `add`, all must do at the same place, or they wait for each other.
    """

    count: int = 1
    rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks to people."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values that the ranks give, in their order. They travel pickled, over gloo:
        not for what is as large as the network."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])  # type: ignore[no-any-return]

    def gather_tensors(
        self, mine: list[torch.Tensor], device: torch.device
    ) -> list[list[torch.Tensor]]:
        """The tensors of every rank, in their order, on a device of this one."""
        if self.count == 1:
            return [mine]
        everyone = self.gather([tensor.cpu() for tensor in mine])
        return [[tensor.to(device) for tensor in of_rank] for of_rank in everyone]

    def add(self, number: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over the ranks, of the same shape on each."""
        if self.count == 1:
            return number
        from accelerate.utils import reduce

        return reduce(number, "sum")  # type: ignore[no-any-return]

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the ranks.

        A rank that has none adds nothing; what no rank has a gradient of keeps none.
        """
        if self.count == 1:
            return
        has = self.gather([p.grad is not None for p in parameters])
        reached = [p for p, *of in zip(parameters, *has, strict=True) if any(of)]
        for bucket in _buckets(reached):
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
            total = self.add(torch.cat([g.reshape(-1) for g in grads]))
            parts = total.split([p.numel() for p in bucket])  # type: ignore[no-untyped-call]
            for parameter, part in zip(bucket, parts, strict=True):
                parameter.grad = part.view_as(parameter)


ALONE = Ranks()


def dealt(lengths: np.ndarray, items: Iterable[int], count: int) -> list[list[int]]:
    """Items in ``count`` parts of about as many tokens, the same wherever it is asked.

    The longest first, each to the part that has the fewest tokens so far (Graham 1969): no part
    has more than the smallest and one item.
    """
    parts: list[list[int]] = [[] for _ in range(count)]
    tokens = [0] * count
    for item in sorted(items, key=lambda i: (-int(lengths[i]), i)):
        least = tokens.index(min(tokens))
        parts[least].append(item)
        tokens[least] += int(lengths[item])
    return parts


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and size + parameter.numel() > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket
