"""How much of a study is there: planned, done and stale scores by encoder and condition."""

from __future__ import annotations

import pytest

from support.synthetic import CODES, SyntheticStudy
from support.synthetic import gains_of_a_formula as score
from xstilts.analysis import table
from xstilts.analysis.report.coverage import coverage_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A grid of two targets, and the table of all of its scores."""
    made = SyntheticStudy(tmp_path_factory.mktemp("study"), targets=["xquad", "mlqa"])
    grid = made.grid()
    made.write_scores(grid, score)
    return grid, table.collect(grid)


def test_a_finished_study_has_what_it_plans(study):
    grid, rows = study
    coverage = coverage_of(grid, rows, ())
    assert coverage.planned == coverage.done == len(rows) == 2 * 2 * 2 * len(CODES)
    assert coverage.stale == 0


def test_each_condition_counts_its_own_scores(study):
    grid, rows = study
    here = rows[(rows["condition"] == "none") & (rows["seed"] == 1)]
    by_condition = {row.condition: row for row in coverage_of(grid, here, ()).rows}
    planned = 2 * 2 * len(CODES)
    assert (by_condition["none"].done, by_condition["none"].planned) == (planned // 2, planned)
    assert (by_condition["mnli"].done, by_condition["mnli"].planned) == (0, planned)
    assert by_condition["mnli"].seeds == [1, 2]


def test_stale_scores_are_counted_apart_from_missing_ones(study):
    """They are on disk, but the study does not ask for them as they are."""
    grid, rows = study
    key = next(k for k in grid.reads.evaluations() if k.condition == "mnli")
    lacking = table.MissingScores(key, tuple(CODES), stale=3)
    there = rows[(rows["condition"] != "mnli") | (rows["seed"] != key.seed)]
    coverage = coverage_of(grid, there, (lacking,))
    assert coverage.stale == 3
    assert {row.condition: row.stale for row in coverage.rows} == {"none": 0, "mnli": 3}
    assert coverage.missing == (lacking,)
