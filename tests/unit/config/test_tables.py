"""Tables of config/ are read by column, without their comments."""

from __future__ import annotations

import pytest

from xstilts.config.tables import read_table, read_table_if_present
from xstilts.errors import StudyError


def test_rows_are_read_by_column_and_comments_are_skipped(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("# source: a paper\ncode\tname\n# another\nsw\tSwahili\nde\t\n")
    rows = [{"code": "sw", "name": "Swahili"}, {"code": "de", "name": ""}]
    assert read_table(path) == read_table_if_present(path) == rows


def test_a_table_may_be_optional(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "a.tsv")
    assert read_table_if_present(tmp_path / "a.tsv") == []


def test_cells_at_the_end_of_a_row_may_be_left_out(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("device\tpeak\tname\ncpu\t0.1\n")
    assert read_table(path) == [{"device": "cpu", "peak": "0.1", "name": ""}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"code\tname\nsw\tSwahili\tBantu\n", "the row of 'sw' has more cells than the header"),
        (b"code\tname\nsw\t\xff\n", "is no table in UTF-8"),
    ],
    ids=["long", "bytes"],
)
def test_what_is_no_table_is_refused(tmp_path, content, problem):
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(StudyError, match=problem):
        read_table(tmp_path / "a.tsv")
