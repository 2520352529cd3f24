"""Float32 tensors in fewer bytes, bit for bit: the storage of checkpoints.

A fine-tuned weight differs little from the weight that it started from: sign, exponent and the
first bits of the mantissa are mostly the same. Their bits are combined by exclusive or with the
start's, which leaves zeros there; the four bytes of every number are put into four planes, one
after the other; a plane that has structure is compressed by Zstandard, and one that is noise, as
the lower mantissa always is, is kept as it is.

    u64 x 4   stored bytes of each plane, the highest byte's first; as many as numbers: as it is
    planes    in that order
"""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa

from xstilts.errors import EncoderError

_HEAD = struct.Struct("<4Q")
_CODEC = pa.Codec("zstd", compression_level=1)  # higher levels gain under one per cent
_SAMPLE = 1 << 16
_WORTH = 0.97
"""A plane of bytes is compressed if its sample shrinks to less than this share."""


def pack(values: np.ndarray, base: np.ndarray | None = None) -> np.ndarray:
    """float32 values of any shape as bytes; ``base`` is what they differ little from."""
    bits = _bits(values)
    if base is not None:
        bits = bits ^ _bits(base)
    planes = [_packed(plane) for plane in bits.view(np.uint8).reshape(-1, 4).T[::-1]]
    head = np.frombuffer(_HEAD.pack(*map(len, planes)), np.uint8)
    return np.concatenate([head, *planes])


def unpack(
    packed: np.ndarray, shape: tuple[int, ...], base: np.ndarray | None = None
) -> np.ndarray:
    """The values that `pack` was given with the same ``base``.

    Raises `EncoderError` where the bytes are not what `pack` gives.
    """
    try:
        sizes = _HEAD.unpack(packed[: _HEAD.size].tobytes())
        ends = _HEAD.size + np.cumsum(sizes)
        parts = np.split(packed[: ends[-1]], [_HEAD.size, *ends[:-1]])[1:]
        numbers = np.empty((int(np.prod(shape)), 4), np.uint8)
        for byte, part in enumerate(parts):
            numbers[:, 3 - byte] = _unpacked(part, len(numbers))
    except (struct.error, ValueError, OSError, IndexError) as error:
        raise EncoderError(f"a packed tensor cannot be read ({error})") from error
    bits = numbers.view("<u4").reshape(-1)
    if base is not None:
        bits = bits ^ _bits(base)
    return bits.view("<f4").reshape(shape)


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype="<f4").reshape(-1).view("<u4")


def _packed(plane: np.ndarray) -> np.ndarray:
    plane = np.ascontiguousarray(plane)
    sample = plane[:_SAMPLE]
    if len(_compressed(sample)) >= _WORTH * len(sample):
        return plane
    packed = _compressed(plane)
    return packed if len(packed) < len(plane) else plane


def _compressed(plane: np.ndarray) -> np.ndarray:
    return np.frombuffer(_CODEC.compress(pa.py_buffer(plane)), np.uint8)


def _unpacked(part: np.ndarray, count: int) -> np.ndarray:
    if len(part) == count:
        return part
    whole = _CODEC.decompress(pa.py_buffer(np.ascontiguousarray(part)), decompressed_size=count)
    return np.frombuffer(whole, np.uint8)
