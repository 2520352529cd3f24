"""Dropout whose masks are a function of (seed, step, item, place in the network) alone.

torch's own dropout draws from a stream: what an element gets depends on how many were drawn before
it, so on how a step is cut into micro-batches, on their order and on the device. Here an element's
fate is a hash of where it is. Every token of a step has a 64-bit number of its own (`token_noise`);
every column of every dropout in a network has another; an element is dropped if the hash of their
sum says so. One 64-bit hash decides four elements: the probability is a multiple of 1/65536, and
what is kept is scaled by exactly its inverse.

The hash is the core of splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators", section 5): two rounds of xor-shift and multiplication, in wrapping integers, which
are the same on every device.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from xstilts.batching import Batch

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LANES = 4  # 16-bit numbers in a 64-bit one
_STEPS = 2**16


# --- numbers of tokens and columns ---------------------------------------------------------------


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64 of unsigned 64-bit integers, element by element."""
    z = values + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


def token_noise(
    stream: int, items: np.ndarray, sequences: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """A number (T,) for each token: ``items`` its item, ``sequences`` which of the item's
    sequences it is in, ``positions`` its place there; ``stream`` derives from seed and step."""
    with np.errstate(over="ignore"):
        of_step = mixed(np.asarray([stream], dtype=np.uint64))
        of_item = mixed(of_step + items.astype(np.uint64))
        of_sequence = mixed(of_item + sequences.astype(np.uint64))
        return mixed(of_sequence + positions.astype(np.uint64)).view(np.int64)


def column_noise(place: str, columns: int) -> np.ndarray:
    """A number for each column, or group of columns, of one place in a network."""
    begin = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big")
    with np.errstate(over="ignore"):
        return mixed(np.uint64(begin) + np.arange(columns, dtype=np.uint64)).view(np.int64)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_FIRST_SIGNED, _SECOND_SIGNED = _signed(_FIRST), _signed(_SECOND)


def hashes(tokens: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """(..., 1) and (C,) or (..., C) int64 -> (..., C) int64."""
    x = tokens + columns
    shifted = x >> 32
    x ^= shifted
    x *= _FIRST_SIGNED
    torch.bitwise_right_shift(x, 29, out=shifted)
    x ^= shifted
    x *= _SECOND_SIGNED
    return x


def kept(
    tokens: torch.Tensor,
    columns: torch.Tensor,
    width: int,
    probability: float,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Which elements stay: (..., 1) tokens, (C,) column numbers -> (..., width) ones and zeros.

    Of the type of what they are multiplied with: a product of floats with truth values is ten times
    slower on a CPU (1,500 x 384 elements: 5.0 and 0.3 ms).
    """
    lanes = hashes(tokens, columns).view(torch.int16)[..., :width]
    stays = torch.empty(lanes.shape, dtype=dtype, device=lanes.device)
    return torch.ge(lanes, round(probability * _STEPS) - _STEPS // 2, out=stays)


# --- modules -------------------------------------------------------------------------------------


class _Keyed(nn.Module):
    """What the two kinds share. ``p`` may be set at any time; 0 is no dropout."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.place = ""  # set by `name_places`
        self._columns: torch.Tensor | None = None

    def _column_numbers(self, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
        if self._columns is None or self._columns.shape != shape or self._columns.device != device:
            numbers = column_noise(self.place, int(np.prod(shape))).reshape(shape)
            self._columns = torch.from_numpy(numbers).to(device)
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
        if not self.active:
            return x
        if noise is None:
            raise ValueError("dropout needs the numbers of its tokens: pack the batch with them")
        width = x.shape[-1]
        columns = self._column_numbers((-(-width // _LANES),), x.device)
        return x * kept(noise[:, None], columns, width, self.p, x.dtype).mul_(self.scale)


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
        return batch.padded(self.noise_of(batch), 0)[:, None, :, None]

    def kept(self, noise: torch.Tensor, length: int, dtype: torch.dtype) -> torch.Tensor:
        """Numbers (S, 1, L, 1) of tokens -> (S, heads, L, ``length``) ones and zeros."""
        # as for the longest sequence, so that the length of the others in a batch decides nothing
        shape = (self.heads, 1, -(-self.longest // _LANES))
        columns = self._column_numbers(shape, noise.device)[..., : -(-length // _LANES)]
        return kept(noise, columns, length, self.p, dtype)

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
