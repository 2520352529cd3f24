"""Dropout whose masks are a function of (seed, step, instance, layer of the network) alone.

torch's own dropout draws from one sequence of random numbers: whether it drops an element depends
on how many were drawn before it, so on how a step is cut into micro-batches, on their order and on
the device. Here a hash of the element's place decides. Every token of a step has a 64-bit seed of
its own (`token_seeds`), two halves a and b; every column of every dropout layer in a network has a
32-bit seed c; an element is dropped where a + b c, wrapped to 32 bits, is small. The probability is
a multiple of 1/65536, and what is kept is scaled by exactly its inverse.

Seeds of tokens and columns are splitmix64's (Steele, Lea and Flood 2014, "Fast splittable
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
from xstilts.models.device import is_cached
from xstilts.models.noise import column_seeds

_STEPS = 2**16


def hashed(tokens: torch.Tensor, columns: torch.Tensor, *, in_one: bool) -> torch.Tensor:
    """Seeds (..., 1) int64 of tokens, (C,) or (..., C) int32 of columns -> hashes (..., C) int32.

    ``in_one``: in one operation; otherwise in two, which a CPU does faster. The integers are the
    same.
    """
    added, factor = tokens.view(torch.int32).split(1, dim=-1)  # type: ignore[no-untyped-call]
    if in_one:
        return torch.addcmul(added, factor, columns)
    return (factor * columns).add_(added)  # type: ignore[no-any-return]


def kept(
    tokens: torch.Tensor, columns: torch.Tensor, probability: float, dtype: torch.dtype
) -> torch.Tensor:
    """Which elements stay, by seeds as in `hashed`: (..., C) ones and zeros.

    ``dtype``: of the values that they will be multiplied with. On a CPU the result has that type,
    as a product of floats with booleans is ten times slower (1,500 x 384 elements: 5.0 and 0.3 ms);
    elsewhere it is boolean, which takes less memory.
    """
    on_cpu = is_cached(tokens)
    numbers = hashed(tokens, columns, in_one=not on_cpu)
    threshold = (round(probability * _STEPS) - _STEPS // 2) * _STEPS
    if not on_cpu:
        return numbers >= threshold
    return torch.ge(numbers, threshold, out=torch.empty(numbers.shape, dtype=dtype))


class _SeededDropout(nn.Module):
    """The common part of both kinds. ``p`` may be set at any time; 0 is no dropout."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.layer_name = ""  # `name_dropout_layers` sets it
        self._columns: torch.Tensor | None = None

    def _column_seeds(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        if self._columns is None or self._columns.shape != shape or self._columns.device != device:
            numbers = column_seeds(self.layer_name, int(np.prod(shape))) >> 32
            self._columns = torch.from_numpy(numbers.astype(np.int32).reshape(shape)).to(device)
        return self._columns

    @property
    def active(self) -> bool:
        """Whether elements are dropped now: in training, with p above 0."""
        return self.training and self.p > 0

    @property
    def scale(self) -> float:
        """The inverse of the probability that an element stays."""
        return _STEPS / (_STEPS - round(self.p * _STEPS))


class Dropout(_SeededDropout):
    """Dropout of hidden values. Use each layer once in a forward pass, or its masks are equal."""

    def forward(self, x: torch.Tensor, seeds: torch.Tensor | None) -> torch.Tensor:
        """(N, H) with the seeds (N,) of its tokens -> (N, H)."""
        return self._dropped(x, seeds) * self.scale if self.active else x

    def added(self, to: torch.Tensor, x: torch.Tensor, seeds: torch.Tensor | None) -> torch.Tensor:
        """``to`` plus the dropout of x, in fewer operations."""
        if not self.active:
            return to + x
        return torch.add(to, self._dropped(x, seeds), alpha=self.scale)

    def _dropped(self, x: torch.Tensor, seeds: torch.Tensor | None) -> torch.Tensor:
        if seeds is None:
            raise ValueError("dropout needs the seeds of tokens: pack with a step_seed")
        columns = self._column_seeds((x.shape[-1],), x.device)
        return x * kept(seeds[:, None], columns, self.p, x.dtype)


class AttentionDropout(_SeededDropout):
    """Dropout of attention weights: an element is (head, query token, key position)."""

    def __init__(self, p: float, heads: int, longest: int) -> None:
        """``heads`` heads over sequences of at most ``longest`` tokens."""
        super().__init__(p)
        self.heads, self.longest = heads, longest

    def seeds_of(self, batch: Batch) -> torch.Tensor:
        """The seeds (T,) of a batch's tokens; raises `ValueError` where it has none."""
        if batch.token_seeds is None:
            raise ValueError("dropout needs the seeds of tokens: pack with a step_seed")
        return batch.token_seeds

    def padded_seeds(self, batch: Batch) -> torch.Tensor:
        """The same, (S, 1, L, 1), 0 at padding."""
        self.seeds_of(batch)  # raises where the batch has none
        return batch.padded_token_seeds

    def kept(self, seeds: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
        """Seeds (S, 1, L, 1) of tokens -> (S, heads, L, ``length``) ones and zeros."""
        # columns as for the longest sequence: the lengths of others in the batch decide nothing
        shape = (self.heads, 1, self.longest)
        columns = self._column_seeds(shape, seeds.device)[..., :length]
        return kept(seeds, columns, self.p, dtype)

    def forward(self, weights: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
        """(S, heads, L, L) -> (S, heads, L, L), not scaled: the caller scales the values."""
        if not self.active:
            return weights
        return weights * self.kept(seeds, weights.shape[-1], weights.dtype)


def name_dropout_layers(module: nn.Module, prefix: str) -> None:
    """Give every dropout layer of a module a name of its own, from which its seeds derive."""
    for name, part in module.named_modules():
        if isinstance(part, _SeededDropout):
            part.layer_name = f"{prefix}.{name}"
