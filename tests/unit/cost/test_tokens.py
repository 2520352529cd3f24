"""How many tokens a job trains on and reads."""

from __future__ import annotations

from support.costs import EXAMPLES, SMALL, TRAINING, jobs_of
from support.stored import grid_in
from xstilts.cost.estimate import estimate
from xstilts.provenance.stamp import write_stamp


def test_a_training_reads_its_rows_in_every_epoch(grid, costs):
    assert jobs_of(grid, costs)[TRAINING].train_tokens == 2 * 1000 * 40


def test_limits_of_the_study_count(world, tmp_path, costs):
    training = {"all": {"epochs": 2, "selection": "last", "max_examples": 100}}
    limited = grid_in(world, tmp_path, **SMALL | {"training": training})
    assert jobs_of(limited, costs)[TRAINING].train_tokens == 2 * 100 * 40
    training["all"]["max_steps"], training["all"]["batch_size"] = 5, 10
    limited = grid_in(world, tmp_path, **SMALL | {"training": training})
    assert jobs_of(limited, costs)[TRAINING].train_tokens == 5 * 10 * 40


def test_an_evaluation_reads_all_its_languages(world, tmp_path, costs, grid):
    assert jobs_of(grid, costs)["evaluate tiny/nli/seed1/xnli"].read_tokens == 5 * 500 * 50
    part = grid_in(world, tmp_path, **SMALL, evaluation={"max_examples": 100})
    assert jobs_of(part, costs)["evaluate tiny/nli/seed1/xnli"].read_tokens == 5 * 100 * 50


def test_rows_of_prepared_examples_are_counted(grid, costs):
    stamp = grid.examples_stamp(EXAMPLES)
    write_stamp(stamp, spec="", inputs={}, files=[], outcomes={"rows": 700})
    assert jobs_of(grid, costs)[TRAINING].train_tokens == 2 * 700 * 40


def test_a_plan_says_how_sizes_are_known(grid, costs):
    assert estimate(grid, costs).sizes == {"nli/train": "declared", "xnli/test": "measured"}
