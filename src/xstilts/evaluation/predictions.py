"""Stored predictions, read language after language from an archive that is opened once."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xstilts.evaluation import scores
from xstilts.evaluation.archive import member_bytes

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
    from xstilts.data import parquet

    content = None if whole is None else member_bytes(whole, score["language"])
    if content is None or hashlib.sha256(content).hexdigest() != score["predictions"]["sha256"]:
        return None
    return parquet.read(content)
