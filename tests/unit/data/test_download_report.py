"""Downloads say how far they are, and where their files came from."""

from __future__ import annotations

from io import StringIO

import pytest

from xstilts.data import download_report
from xstilts.data.download_report import Bytes, count, summary

ROWS = [
    "path\tsha256\tbytes\tsource",
    f"a\t{'0' * 64}\t1200000\tmirror x/a",
    f"b\t{'1' * 64}\t800000\tmirror x/b",
    f"c\t{'2' * 64}\t5\thub o/r@{'c' * 40}/data/c.parquet",
    f"d\t{'3' * 64}\t7\turl https://raw.githubusercontent.com/o/r/main/d",
]


@pytest.fixture
def resources(tmp_path):
    """Four files that came."""
    table = tmp_path / "raw/sources.tsv"
    table.parent.mkdir()
    table.write_text("\n".join(ROWS) + "\n")
    return tmp_path


def test_files_are_counted_by_where_they_came_from(resources):
    """Mirror, repository at its commit, host."""
    assert summary(resources, 0).splitlines() == [
        "Raw files that came:",
        "      1 files        5 B  hub o/r @ ccccccc",
        "      2 files     2.0 MB  mirror",
        "      1 files        7 B  url raw.githubusercontent.com/o/r",
        f"  each one: {resources}/raw/sources.tsv",
    ]


def test_only_what_came_in_this_run_is_told(resources):
    """And nothing where all was there."""
    assert count(resources) == 4
    assert len(summary(resources, 3).splitlines()) == 3
    assert summary(resources, 4) == ""


def test_before_the_first_download_there_is_nothing(tmp_path):
    """The table does not exist then."""
    assert count(tmp_path) == 0
    assert summary(tmp_path, 0) == ""


def test_a_slow_file_is_spoken_of_now_and_then(monkeypatch):
    """A line every two seconds, and one when it is there."""
    now = [0.0]
    monkeypatch.setattr(download_report.time, "monotonic", lambda: now[0])
    stream = StringIO()
    said = Bytes(stream)
    for second in range(6):
        now[0] = float(second)
        said.about("big.tsv", 10**6 * (second + 1), 6 * 10**6)
    assert stream.getvalue().splitlines() == [
        "downloading big.tsv: 3.0 MB of 6.0 MB (50 %)",
        "downloading big.tsv: 5.0 MB of 6.0 MB (83 %)",
        "downloading big.tsv: 6.0 MB of 6.0 MB (100 %)",
    ]


def test_quick_files_are_not_spoken_of(monkeypatch):
    """A grid has a thousand of them."""
    monkeypatch.setattr(download_report.time, "monotonic", lambda: 0.0)
    stream = StringIO()
    said = Bytes(stream)
    said.about("small.tsv", 5, 5)
    assert stream.getvalue() == ""
