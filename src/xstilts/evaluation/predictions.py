"""Stored predictions, read language after language from an archive that is opened once."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xstilts.evaluation import scores
from xstilts.evaluation.archive import member_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from xstilts.evaluation.score_line import Score


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile | None]:
    """The archive of predictions of a score file; None if it cannot be opened."""
    try:
        whole = zipfile.ZipFile(scores.archive(path))
    except (OSError, zipfile.BadZipFile, ValueError):
        yield None
        return
    with whole:
        yield whole


def read(whole: zipfile.ZipFile | None, score: Score) -> pa.Table | None:
    """The predictions of a score, a row for each; None if their bytes are not as it records.

    Raises `pyarrow.ArrowException` for bytes that are no parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if whole is None:
        return None
    try:
        content = whole.read(member_name(score["language"]))
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return None
    if hashlib.sha256(content).hexdigest() != score["predictions"]["sha256"]:
        return None
    # `pq.read_table` hands a file to other threads: eight times the CPU time for a small one
    return pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
