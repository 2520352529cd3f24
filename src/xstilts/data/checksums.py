"""Checksums of raw files, in tables of tab-separated columns path, sha256, bytes (and source).

``config/downloads.tsv`` lists the files whose bytes are known. ``resources/raw/lock.tsv`` records
every other file at its first download, and ``resources/raw/sources.tsv`` records every download.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xstilts.config.raw_file import RECORDS
from xstilts.data.readers.text import lines
from xstilts.errors import MalformedFile
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import write_text
from xstilts.runtime.file_lock import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK, SOURCES = RECORDS
_HEADER = "path\tsha256\tbytes\tsource"


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


def forget(raw: Path, name: str) -> bool:
    """Delete a raw file and its recorded checksum; return whether there was either.

    The next run downloads it again. `SOURCES` keeps its history.
    """
    table = raw / LOCK
    with file_lock(table.with_name(f".{table.name}.lock")):
        known = downloads(table)
        kept = [download for download in known if download.path != name]
        if len(kept) < len(known):
            rows = ("\t".join(map(str, download)) for download in kept)
            write_text(table, "\n".join([_HEADER, *rows]) + "\n")
    file = raw / name
    existed = file.is_file()
    file.unlink(missing_ok=True)
    return existed or len(kept) < len(known)


def record(table: Path, name: str, file: Path, source: str) -> None:
    """Append the line of a file; whole lines even if many processes write at once."""
    download = Download(name, file_sha256(file), file.stat().st_size, source)
    with file_lock(table.with_name(f".{table.name}.lock")), table.open("ab") as stream:
        if stream.tell() == 0:
            stream.write(f"{_HEADER}\n".encode())
        stream.write(("\t".join(map(str, download)) + "\n").encode())
