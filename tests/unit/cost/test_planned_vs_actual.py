"""The plan of a run, and how long its jobs took."""

from __future__ import annotations

import json

import pytest

from support.costs import TRAINING
from support.stored import put_inputs, train
from xstilts.cost.planned_vs_actual import as_text, compare, plan_path, save_plan
from xstilts.grid.keys import TrainingKey
from xstilts.provenance import files


@pytest.fixture
def grid(grid, costs):
    """With its encoder and examples, and the plan of a run."""
    put_inputs(grid)
    save_plan(grid, costs)
    return grid


def run(grid, seconds, started="2999-01-01T00:00:00+00:00"):
    """Leave what a training would leave that took some seconds."""
    key = TrainingKey("tiny", "nli", 1, "intermediate")
    train(grid, key)
    record = grid.training(key).folder / "run.json"
    record.write_text(json.dumps({"seconds": seconds, "started": started}))


def test_a_job_that_has_run_is_compared_with_its_plan(grid):
    planned = files.read_json(plan_path(grid))["jobs"][TRAINING]
    run(grid, 2 * planned["seconds"])
    (row,) = compare(grid)
    assert (row.rule, row.jobs) == ("train", 1)
    assert row.actual == 2 * row.planned
    assert "(2.00 times)" in as_text([row])
    assert (grid.paths.results / "planned_vs_actual.json").is_file()


def test_a_job_keeps_its_first_plan_over_several_starts(grid, costs):
    first = files.read_json(plan_path(grid))["jobs"]
    run(grid, 10.0)
    save_plan(grid, costs)
    assert files.read_json(plan_path(grid))["jobs"] == first


def test_a_run_before_the_plan_is_not_compared(grid):
    run(grid, 10.0, started="1999-01-01T00:00:00+00:00")
    assert compare(grid) == []


def test_a_planned_job_that_left_the_study_is_not_compared(grid, world):
    run(grid, 10.0)
    path = plan_path(grid)
    plan = files.read_json(path)
    plan["jobs"] = {"train tiny/gone/seed1/nli": plan["jobs"][TRAINING]}
    files.write_json(path, plan)
    assert compare(grid) == []
