"""Digests: canonical JSON of a value, the sha256 of a value or a file, CRC-32 of blocks."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from typing_extensions import Buffer


Json = Any


def canonical(value: Json) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN, Unicode as it is.

    >>> canonical({"b": 1.0, "a": ["ü"]})
    '{"a":["ü"],"b":1.0}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Json) -> str:
    """The sha256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def crc32(blocks: Iterable[Buffer]) -> int:
    """The CRC-32 of blocks of bytes, one after the other.

    It finds damage, not forgery, and takes a seventh of the time of sha256: for gigabytes that a
    program reads again and again.
    """
    value = 0
    for block in blocks:
        value = zlib.crc32(block, value)
    return value


def file_crc32(path: Path) -> int:
    """The CRC-32 of a file's bytes."""
    with path.open("rb") as stream:
        return crc32(iter(lambda: stream.read(2**22), b""))
