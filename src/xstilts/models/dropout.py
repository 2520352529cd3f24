"""Dropout whose masks are a function of (seed, step, item, place in the network) alone.

torch's own dropout draws from a stream: what an element gets depends on how many were drawn before
it, so on how a step is cut into micro-batches, on their order and on the device. Here an element's
fate is a hash of where it is. Every token of a step has a 64-bit number of its own (`token_noise`),
two halves a and b; every column of every dropout in a network has a 32-bit number c; an element is
dropped where a + b c, wrapped to 32 bits, is small. The probability is a multiple of 1/65536, and
what is kept is scaled by exactly its inverse.

Numbers of tokens and columns are splitmix64's (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"). The hash is multiply-add-shift (Dietzfelbinger 1996, "Universal
hashing and k-wise independent random variables via integer arithmetic without primes"), which for
random a and b gives pairs of columns independent numbers; as columns' own are random too, larger
groups are as well, as far as dropout can tell (the tests look at up to four at a time). It is two
operations on a GPU, and the same integers on every device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from xstilts.models.batch import Batch
from xstilts.models.noise import column_noise

_STEPS = 2**16


def hashed(tokens: torch.Tensor, columns: torch.Tensor, *, in_one: bool) -> torch.Tensor:
    """Numbers (..., 1) int64 of tokens, (C,) or (..., C) int32 of columns -> (..., C) int32.

    ``in_one`` operation, or in two, which a CPU does faster: the integers are the same.
    """
    added, factor = tokens.view(torch.int32).split(1, dim=-1)  # type: ignore[no-untyped-call]
    if in_one:
        return torch.addcmul(added, factor, columns)
    return (factor * columns).add_(added)  # type: ignore[no-any-return]


def kept(
    tokens: torch.Tensor, columns: torch.Tensor, probability: float, dtype: torch.dtype
) -> torch.Tensor:
    """Which elements stay, of numbers as in `hashed`: (..., C) ones and zeros.

    ``dtype`` is that of what they are multiplied with. On a CPU they have it too, as a product of
    floats with truth values is ten times slower (1,500 x 384 elements: 5.0 and 0.3 ms); elsewhere
    they are truth values, which take less memory.
    """
    on_cpu = tokens.device.type == "cpu"
    numbers = hashed(tokens, columns, in_one=not on_cpu)
    threshold = (round(probability * _STEPS) - _STEPS // 2) * _STEPS
    if not on_cpu:
        return numbers >= threshold
    return torch.ge(numbers, threshold, out=torch.empty(numbers.shape, dtype=dtype))


class _Keyed(nn.Module):
    """What the two kinds share. ``p`` may be set at any time; 0 is no dropout."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.place = ""  # set by `name_places`
        self._columns: torch.Tensor | None = None

    def _column_numbers(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        if self._columns is None or self._columns.shape != shape or self._columns.device != device:
            numbers = column_noise(self.place, int(np.prod(shape))) >> 32
            self._columns = torch.from_numpy(numbers.astype(np.int32).reshape(shape)).to(device)
        return self._columns

    @property
    def active(self) -> bool:
        """Whether anything is dropped now."""
        return self.training and self.p > 0

    @property
    def scale(self) -> float:
        """The inverse of the probability that an element stays."""
        return _STEPS / (_STEPS - round(self.p * _STEPS))


class Dropout(_Keyed):
    """Dropout of hidden values. Use each one once in a forward pass: it is one place."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """(N, H) with the numbers (N,) of its tokens -> (N, H)."""
        return self._dropped(x, noise) * self.scale if self.active else x

    def added(self, to: torch.Tensor, x: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        """``to`` plus the dropout of x, in fewer operations."""
        if not self.active:
            return to + x
        return torch.add(to, self._dropped(x, noise), alpha=self.scale)

    def _dropped(self, x: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        if noise is None:
            raise ValueError("dropout needs the numbers of its tokens: pack the batch with them")
        columns = self._column_numbers((x.shape[-1],), x.device)
        return x * kept(noise[:, None], columns, self.p, x.dtype)


class AttentionDropout(_Keyed):
    """Dropout of attention weights: an element is (head, token that asks, place that answers)."""

    def __init__(self, p: float, heads: int, longest: int) -> None:
        """``heads`` heads over sequences of at most ``longest`` tokens."""
        super().__init__(p)
        self.heads, self.longest = heads, longest

    def noise_of(self, batch: Batch) -> torch.Tensor:
        """The numbers (T,) of a batch's tokens."""
        if batch.noise is None:
            raise ValueError("dropout needs the numbers of its tokens: pack the batch with them")
        return batch.noise

    def noise(self, batch: Batch) -> torch.Tensor:
        """The same, (S, 1, L, 1), 0 where there is no token."""
        self.noise_of(batch)  # which must be there
        return batch.padded_noise

    def kept(self, noise: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
        """Numbers (S, 1, L, 1) of tokens -> (S, heads, L, ``length``) ones and zeros."""
        # as for the longest sequence, so that the length of the others in a batch decides nothing
        shape = (self.heads, 1, self.longest)
        columns = self._column_numbers(shape, noise.device)[..., :length]
        return kept(noise, columns, self.p, dtype)

    def forward(self, weights: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """(S, heads, L, L) -> (S, heads, L, L), not scaled: scale what they are applied to."""
        if not self.active:
            return weights
        return weights * self.kept(noise, weights.shape[-1], weights.dtype)


def name_places(module: nn.Module, prefix: str) -> None:
    """Give every dropout in a module a place of its own: its name in the module."""
    for name, part in module.named_modules():
        if isinstance(part, _Keyed):
            part.place = f"{prefix}.{name}"
