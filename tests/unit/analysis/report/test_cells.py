"""The scores behind every number, as a reader finds them on the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from support.synthetic import SyntheticStudy
from support.synthetic import gains_of_a_formula as score
from xstilts.analysis import table
from xstilts.analysis.report import cells
from xstilts.analysis.report.cells import CellBlock, CellRow, Cells, SeedScore, cells_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A grid of one target, and the table of all of its scores."""
    made = SyntheticStudy(tmp_path_factory.mktemp("study"))
    grid = made.grid()
    made.write_scores(grid, score)
    return grid, table.collect(grid)


def row(condition="mnli", scores=(60.0, 62.0), baseline=50.0, language="sw"):
    seeds = tuple(SeedScore(number, value) for number, value in enumerate(scores, start=1))
    return CellRow(condition, language, seeds, baseline, items=100, warnings="")


def test_a_row_has_its_mean_and_its_gain():
    assert (row().score, row().gain) == (61.0, 11.0)


def test_the_baseline_has_no_gain_over_itself():
    assert math.isnan(row("none").gain)


def test_an_undefined_score_of_a_seed_is_left_out_of_the_mean():
    assert row(scores=(60.0, math.nan)).score == 60.0
    assert math.isnan(row(scores=(math.nan,)).score)


def test_every_score_of_the_table_stands_in_a_row(study):
    grid, rows = study
    (block,) = cells_of(grid, rows).blocks
    shown = {(r.condition, r.language, *seed) for r in block.rows for seed in r.seeds}
    columns = ["condition", "language", "seed", "score"]
    assert shown == set(rows[columns].itertuples(index=False, name=None))


def test_a_baseline_of_fewer_seeds_is_the_mean_of_those(study):
    grid, rows = study
    first = rows[(rows["condition"] != "none") | (rows["seed"] == 1)]
    none = rows[(rows["condition"] == "none") & (rows["seed"] == 1)].set_index("language")["score"]
    (block,) = cells_of(grid, first).blocks
    assert {r.language: r.baseline for r in block.rows} == none.to_dict()


def test_a_warning_of_one_seed_is_shown_once(study):
    grid, rows = study
    marked = rows.assign(warnings=["majority_class"] * len(rows))
    (block,) = cells_of(grid, marked).blocks
    assert {r.warnings for r in block.rows} == {"majority_class"}


def test_the_files_of_a_condition_are_named_once_for_all_seeds(study):
    grid, rows = study
    files = {f.condition: f for f in cells_of(grid, rows).files}
    assert files["mnli"].path == "scores/tiny/mnli/seed<k>/xquad.jsonl"
    specs = rows[rows["condition"] == "mnli"].groupby("seed")["spec"].first().to_dict()
    assert files["mnli"].specs == specs


def test_rows_are_listed_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(cells, "LISTED_ROWS", 2)
    few = Cells([CellBlock("tiny", "xquad", [row()] * 2)], [], {})
    many = Cells([CellBlock("tiny", "xquad", [row()] * 3)], [], {})
    assert (few.are_listed, many.are_listed) == (True, False)


class TestJson:
    """What the page's script reads."""

    def value(self, *rows, languages=None):
        block = CellBlock("tiny", "xquad", list(rows))
        return Cells([block], [], languages or {}).as_json()

    def test_scores_by_condition_language_and_seed(self):
        block = json.loads(self.value(row(), row("none", (50.0,))))["blocks"]["cells.tiny.xquad"]
        assert block["languages"] == ["sw"]
        assert block["conditions"]["mnli"] == {
            "seeds": [1, 2],
            "scores": [[60.0, 62.0]],
            "warnings": {},
        }

    def test_a_missing_language_and_an_undefined_score_are_null(self):
        text = self.value(row(), row("none", (math.nan,)), row("none", language="yo"))
        conditions = json.loads(text)["blocks"]["cells.tiny.xquad"]["conditions"]
        assert conditions["mnli"]["scores"] == [[60.0, 62.0], None]
        assert conditions["none"]["scores"] == [[None, None], [60.0, 62.0]]

    def test_no_name_ends_the_script(self, study):
        """A language's name comes from a user's table."""
        grid, _ = study
        named = replace(grid.cards.languages()["sw"], name="</script><b>")
        text = self.value(row(), languages={"sw": named})
        assert "<" not in text
        assert json.loads(text)["languages"]["sw"][0] == "</script><b>"


def test_a_table_without_a_score_has_no_block(study):
    grid, rows = study
    empty = cells_of(grid, pd.DataFrame(rows[:0]))
    assert (empty.blocks, empty.files, empty.rows) == ([], [], 0)
