"""Checksums of raw files, in tables of tab-separated columns path, sha256, bytes (and source).

``config/downloads.tsv`` lists the files whose bytes are known. ``resources/raw/lock.tsv`` records
every other file at its first download, and ``resources/raw/sources.tsv`` records every download.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xstilts.data.readers.text import lines
from xstilts.errors import MalformedFile
from xstilts.provenance.digests import file_sha256
from xstilts.runtime.file_lock import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "lock.tsv"
SOURCES = "sources.tsv"


class Download(NamedTuple):
    """One line of a table; ``source`` is empty in ``config/downloads.tsv``."""

    path: str
    sha256: str
    bytes: int
    source: str


def read_checksums(table: Path) -> dict[str, str]:
    """The sha256 of each file of a table, by path; raises `MalformedFile` for a damaged line."""
    return {download.path: download.sha256 for download in _read(table)}


def read_lock(table: Path) -> dict[str, Download]:
    """The first download of each file, by path; empty if there is no table yet."""
    first: dict[str, Download] = {}
    for download in downloads(table):
        first.setdefault(download.path, download)
    return first


def downloads(table: Path) -> list[Download]:
    """Every download in the order of time; empty if there is no table yet."""
    return list(_read(table)) if table.is_file() else []


def _read(table: Path) -> Iterator[Download]:
    for number, line in lines(table):
        if not line or line.startswith(("#", "path\t")):
            continue
        cells = line.split("\t")
        if len(cells) < 3 or len(cells[1]) != 64 or not cells[2].isdigit():
            problem = f"expected the columns path, sha256, bytes by tabs, found {line!r:.80}"
            raise MalformedFile(table, number, problem)
        yield Download(cells[0], cells[1], int(cells[2]), cells[3] if len(cells) > 3 else "")


def record(table: Path, name: str, file: Path, source: str) -> None:
    """Append the line of a file; whole lines even if many processes write at once."""
    download = Download(name, file_sha256(file), file.stat().st_size, source)
    with file_lock(table.with_name(f".{table.name}.lock")), table.open("ab") as stream:
        if stream.tell() == 0:
            stream.write(b"path\tsha256\tbytes\tsource\n")
        stream.write(("\t".join(map(str, download)) + "\n").encode())
