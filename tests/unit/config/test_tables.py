"""Tables of config/ are read by column, without their comments."""

from __future__ import annotations

import pytest

from xstilts.config.tables import read_table, read_table_if_present


def test_rows_are_read_by_column_and_comments_are_skipped(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("# source: a paper\ncode\tname\n# another\nsw\tSwahili\nde\t\n")
    rows = [{"code": "sw", "name": "Swahili"}, {"code": "de", "name": ""}]
    assert read_table(path) == read_table_if_present(path) == rows


def test_a_table_may_be_optional(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "a.tsv")
    assert read_table_if_present(tmp_path / "a.tsv") == []
