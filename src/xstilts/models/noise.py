"""The numbers of tokens and columns that decide what dropout drops."""

from __future__ import annotations

import hashlib

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ODD = np.uint64(1 << 32)  # in the half of a token's number that is multiplied with


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
        return (mixed(of_sequence + positions.astype(np.uint64)) | _ODD).view(np.int64)


def column_noise(place: str, columns: int) -> np.ndarray:
    """A number for each column of one place in a network."""
    begin = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big")
    with np.errstate(over="ignore"):
        return mixed(np.uint64(begin) + np.arange(columns, dtype=np.uint64)).view(np.int64)
