"""Tokenised texts on disk, so that a grid tokenises each data set once for each encoder.

Every condition, seed and checkpoint reads the same texts. The key of an entry is a digest of the
tokenizer and of the texts; its file lies beside the encoder, is read through a memory map and has
the CRC-32 of its arrays. Whatever is wrong with an entry, or with the folder, the texts are
tokenised again and nothing else happens. So the cache decides no result and is in no spec.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from xstilts.provenance.digests import crc32, file_sha256
from xstilts.provenance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WORTH_KEEPING = 500_000
"""Characters from which reading an entry beats tokenising: about half a second of one core."""


@dataclass(frozen=True)
class Ragged:
    """The tokens of several texts, end to end: text i has tokens ``[ends[i-1]:ends[i]]``.

    ``ids`` (n,) token ids, ``spans`` (n, 2) code points ``[begin, end)``, ``ends`` (rows,).
    """

    ids: np.ndarray
    spans: np.ndarray
    ends: np.ndarray

    def crc32(self) -> int:
        """The CRC-32 of the three arrays."""
        return crc32(np.ascontiguousarray(a).data for a in (self.ids, self.spans, self.ends))


class TokenCache:
    """The entries of one tokenizer."""

    def __init__(self, folder: Path, tokenizer: Path) -> None:
        """``folder`` need not exist; ``tokenizer``: its file, read when an entry is needed."""
        self._folder, self._file = folder, tokenizer

    @cached_property
    def _tokenizer(self) -> bytes:
        return bytes.fromhex(file_sha256(self._file))

    def path(self, texts: Sequence[str]) -> Path | None:
        """The file of the entry of these texts; None where they are too short to be worth one."""
        if sum(map(len, texts)) < WORTH_KEEPING:
            return None
        key = hashlib.sha256(self._tokenizer)
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            key.update(len(raw).to_bytes(8, "little"))
            key.update(raw)
        return self._folder / f"{key.hexdigest()}.safetensors"

    def read(self, path: Path) -> Ragged | None:
        """Read an entry; None where it is missing or damaged."""
        try:
            with safe_open(path, framework="numpy") as stored:
                tokens = Ragged(*(stored.get_tensor(name) for name in ("ids", "spans", "ends")))
                checksum = stored.get_tensor("crc32")
        except (OSError, SafetensorError, ValueError):
            return None
        return tokens if int(checksum[0]) == tokens.crc32() else None

    def write(self, path: Path, tokens: Ragged) -> None:
        """Write an entry; does nothing where the folder cannot be written to."""
        arrays = {"ids": tokens.ids, "spans": tokens.spans, "ends": tokens.ends}
        arrays["crc32"] = np.array([tokens.crc32()], dtype=np.uint32)
        with suppress(OSError, SafetensorError), write_atomically(path) as temporary:
            save_file(arrays, temporary)
