"""The tables of checksums: the list that ships with the cards, and the records of downloads."""

from __future__ import annotations

import hashlib
import multiprocessing
from typing import TYPE_CHECKING

import pytest

from xstilts.data.checksums import Download, downloads, read_checksums, read_lock, record
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from pathlib import Path

A, B = "a" * 64, "b" * 64


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_checksums_are_read_by_path(tmp_path):
    table = tmp_path / "downloads.tsv"
    table.write_text(f"# note\npath\tsha256\tbytes\n\nx/a\t{A}\t3\nx/b\t{B}\t4\n")
    assert read_checksums(table) == {"x/a": A, "x/b": B}


@pytest.mark.parametrize("line", ["a\tabc\t3", f"a\t{A}", f"a\t{A}\tmany", f"a {A} 3"])
def test_a_damaged_line_is_named(tmp_path, line):
    """A short checksum would match nothing."""
    table = tmp_path / "downloads.tsv"
    table.write_text(f"# note\npath\tsha256\tbytes\n{line}\n")
    with pytest.raises(MalformedFile, match=r"downloads\.tsv:3: expected the columns path, sha256"):
        read_checksums(table)


def test_the_first_record_of_a_file_counts(tmp_path):
    table, file = tmp_path / "lock.tsv", tmp_path / "file"
    for content in (b"first", b"second"):
        file.write_bytes(content)
        record(table, "a", file, "url http://x")
    first = Download("a", sha(b"first"), 5, "url http://x")
    assert read_lock(table) == {"a": first}
    assert downloads(table) == [first, Download("a", sha(b"second"), 6, "url http://x")]


def test_without_a_table_nothing_is_recorded(tmp_path):
    assert read_lock(tmp_path / "lock.tsv") == {}
    assert downloads(tmp_path / "lock.tsv") == []


def _record_twenty(folder: Path, name: str) -> None:
    file = folder / name
    file.write_text(name)
    for number in range(20):
        record(folder / "lock.tsv", f"{name}/{number}", file, "mirror")


def test_many_writers_record_whole_lines(tmp_path):
    """Jobs of a cluster fetch side by side, and the header is written once."""
    names = [f"file{i}" for i in range(4)]
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_record_twenty, args=(tmp_path, name)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    found = read_checksums(tmp_path / "lock.tsv")
    assert found == {f"{n}/{i}": sha(n.encode()) for n in names for i in range(20)}
    assert (tmp_path / "lock.tsv").read_text().count("path\t") == 1
