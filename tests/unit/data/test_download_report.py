"""Downloads print their progress, and at the end where their files came from."""

from __future__ import annotations

from io import StringIO

import pytest

from xstilts.data import download_report
from xstilts.data.download_report import ProgressPrinter, count, summary

ROWS = [
    "path\tsha256\tbytes\tsource",
    f"a\t{'0' * 64}\t1200000\tmirror x/a",
    f"b\t{'1' * 64}\t800000\tmirror x/b",
    f"c\t{'2' * 64}\t5\thub o/r@{'c' * 40}/data/c.parquet",
    f"d\t{'3' * 64}\t7\turl https://raw.githubusercontent.com/o/r/main/d",
]


@pytest.fixture
def resources(tmp_path):
    """Four downloads."""
    table = tmp_path / "raw/sources.tsv"
    table.parent.mkdir()
    table.write_text("\n".join(ROWS) + "\n")
    return tmp_path


def test_files_are_counted_by_where_they_came_from(resources):
    """Mirror, repository at its commit, host."""
    assert summary(resources, 0).splitlines() == [
        "Downloaded raw files:",
        "      1 files        5 B  hub o/r @ ccccccc",
        "      2 files     2.0 MB  mirror",
        "      1 files        7 B  url raw.githubusercontent.com/o/r",
        f"  list: {resources}/raw/sources.tsv",
    ]


def test_only_the_downloads_of_this_run_are_listed(resources):
    """And nothing if there were none."""
    assert count(resources) == 4
    assert len(summary(resources, 3).splitlines()) == 3
    assert summary(resources, 4) == ""


def test_before_the_first_download_nothing_is_listed(tmp_path):
    """The table does not exist then."""
    assert count(tmp_path) == 0
    assert summary(tmp_path, 0) == ""


def test_a_slow_file_gets_a_line_every_two_seconds_and_one_at_the_end(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(download_report.time, "monotonic", lambda: now[0])
    stream = StringIO()
    printer = ProgressPrinter(stream)
    for second in range(6):
        now[0] = float(second)
        printer.report("big.tsv", 10**6 * (second + 1), 6 * 10**6)
    assert stream.getvalue().splitlines() == [
        "downloading big.tsv: 3.0 MB of 6.0 MB (50 %)",
        "downloading big.tsv: 5.0 MB of 6.0 MB (83 %)",
        "downloading big.tsv: 6.0 MB of 6.0 MB (100 %)",
    ]


def test_quick_files_get_no_line(monkeypatch):
    """A grid has a thousand of them."""
    monkeypatch.setattr(download_report.time, "monotonic", lambda: 0.0)
    stream = StringIO()
    printer = ProgressPrinter(stream)
    printer.report("small.tsv", 5, 5)
    assert stream.getvalue() == ""
