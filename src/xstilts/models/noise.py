"""The seeds of tokens and columns, from which dropout and the masks of MLM derive."""

from __future__ import annotations

import hashlib

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ODD = np.uint64(1 << 32)  # set in the half of a token's seed that dropout multiplies with


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64 of unsigned 64-bit integers, element by element."""
    z = values + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


def token_seeds(
    step_seed: int, instances: np.ndarray, sequences: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """A seed (T,) int64 for each token.

    ``step_seed`` derives from the seed and the step. Of each token (T,): ``instances`` the number
    of its instance, ``sequences`` that of its sequence in the instance, ``positions`` its place in
    the sequence.
    """
    with np.errstate(over="ignore"):
        of_step = mixed(np.asarray([step_seed], dtype=np.uint64))
        of_instance = mixed(of_step + instances.astype(np.uint64))
        of_sequence = mixed(of_instance + sequences.astype(np.uint64))
        return (mixed(of_sequence + positions.astype(np.uint64)) | _ODD).view(np.int64)


def column_seeds(layer_name: str, columns: int) -> np.ndarray:
    """A seed (columns,) int64 for each column of one layer of a network."""
    begin = int.from_bytes(hashlib.sha256(layer_name.encode()).digest()[:8], "big")
    with np.errstate(over="ignore"):
        return mixed(np.uint64(begin) + np.arange(columns, dtype=np.uint64)).view(np.int64)
