"""Digests of values and files."""

from __future__ import annotations

import zlib

import numpy as np

from xstilts.provenance.digests import crc32, file_crc32


def test_a_crc_is_that_of_all_blocks_together():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert crc32([b"ab", b"", array]) == zlib.crc32(b"ab" + array.tobytes())
    assert crc32([]) == 0


def test_the_crc_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 3_000_000)  # more than one block
    assert file_crc32(tmp_path / "file") == zlib.crc32(b"abc" * 3_000_000)
