"""A table is the same in HTML rows, CSV, Parquet and LaTeX; only LaTeX rounds."""

import math

import pandas as pd
import pytest

from xstilts.analysis.report import data_table
from xstilts.analysis.report.data_table import Column, DataTable

COLUMNS = (
    Column("condition", "name", "condition"),
    Column("gain_points", "gain", "gain"),
    Column("95 %", "interval", "low", "high"),
    Column("p", "p", "p"),
    Column("n", "count", "n"),
)
FRAME = pd.DataFrame(
    {
        "condition": ["mnli_plus", "50 % & more"],
        "gain": [1.234567, math.nan],
        "low": [-0.5, math.nan],
        "high": [3.0, math.nan],
        "p": [0.0001, math.nan],
        "n": [1200, 3],
    }
)


@pytest.fixture
def table():
    links = {"gain": ["cells.a", "cells.b"]}
    return DataTable("tiny/gains", "Gains of tiny", COLUMNS, FRAME, ["row.a", "row.b"], links)


def test_rows_are_text(table):
    """Gains have signs, intervals brackets; an undefined number is a dash."""
    texts = [[cell.text for cell in row.cells] for row in table.rows()]
    assert texts == [
        ["mnli_plus", "+1.2", "[−0.5, +3.0]", "<0.001", "1,200"],
        ["50 % & more", "–", "–", "–", "3"],
    ]


def test_numbers_sort_by_their_value(table):
    """Not by what is shown; an undefined number has no value."""
    first, second = table.rows()
    assert [cell.value for cell in first.cells] == ["", "1.23457", "-0.5", "0.0001", "1200"]
    assert second.cells[1].value == ""


def test_rows_have_ids_and_links(table):
    """So that a number leads to what it is made of."""
    first, _ = table.rows()
    assert (first.anchor, first.cells[1].link, first.cells[0].link) == ("row.a", "cells.a", "")


def test_files_hold_full_precision(table, tmp_path):
    """CSV and Parquet are the frame itself."""
    csv, parquet, _ = data_table.write(table, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), FRAME)
    pd.testing.assert_frame_equal(pd.read_csv(csv), FRAME)


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    """In every format."""
    one, two = (data_table.write(table, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_latex_is_booktabs_with_everything_escaped(table):
    """Headers as well, which pandas does not escape by itself."""
    text = data_table.latex(table)
    assert r"\toprule" in text
    assert r"\bottomrule" in text
    assert r"gain\_points" in text
    assert r"mnli\_plus" in text
    assert r"50 \% \& more" in text
    assert "nan" not in text
    assert r"\begin{tabular}{lrrrr}" in text
