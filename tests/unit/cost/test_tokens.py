"""How many tokens a job trains on and reads."""

from __future__ import annotations

import pytest

from support.costs import EXAMPLES, SMALL, TRAINING, jobs_of
from support.stored import grid_in
from support.world import CARDS, task_card
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


def test_a_shuffled_stage_costs_what_the_task_costs(world, tmp_path, costs):
    conditions = ["none", "nli", "nli~shuffled"]
    jobs = jobs_of(grid_in(world, tmp_path, **SMALL | {"conditions": conditions}), costs)
    shuffled = jobs["train tiny/nli~shuffled/seed1/intermediate"]
    assert shuffled.train_tokens == jobs[TRAINING].train_tokens
    assert "train tiny/nli~shuffled/seed1/nli" in jobs


def test_more_steps_cost_those_of_the_other_stage_in_rows_of_the_recipe(world, tmp_path, costs):
    training = {"all": {"epochs": 2, "selection": "last", "batch_size": 10}}
    study = {"conditions": ["none", "choice", "none+steps-choice"], "training": training}
    training["intermediate"] = {"max_steps": 30, "batch_size": 2}
    jobs = jobs_of(grid_in(world, tmp_path, **SMALL | study), costs)
    own, more = 2 * 1000 * 40, 30 * 10 * 40
    assert jobs["train tiny/none/seed1/nli"].train_tokens == own
    assert jobs["train tiny/none+steps-choice/seed1/nli"].train_tokens == own + more
    assert "train tiny/none+steps-choice/seed1/intermediate" not in jobs


def test_more_steps_count_masked_language_modelling_as_well(world, tmp_path, costs):
    world.write(
        "tasks", task_card("text", ("mlm", "plain_texts", "none", "loss"), {"train": ["en"]})
    )
    training = {"all": {"epochs": 2, "selection": "last", "batch_size": 10}}
    training["intermediate"] = {"max_steps": 30}
    conditions = ["none", "choice+mlm", "none+steps-choice+mlm"]
    study = {"conditions": conditions, "training": training, "mlm": {"text": "text", "rate": 0.25}}
    jobs = jobs_of(grid_in(world, tmp_path, **SMALL | study), costs)
    steps = 2 * 1000 / 10 + 30 * 4 / 3
    found = jobs["train tiny/none+steps-choice+mlm/seed1/nli"].train_tokens
    assert found == pytest.approx(steps * 10 * 40)


def test_selection_reads_no_more_dev_examples_than_the_study_says(world, tmp_path, costs):
    """Three evaluations after 200 steps each, of the whole dev split or of a tenth of it."""
    world.change_card(
        "nli", splits=CARDS["nli"]["splits"] | {"dev": CARDS["nli"]["splits"]["train"]}
    )
    chosen = {"epochs": 6, "batch_size": 10, "eval_every": 200}
    for limit, rows in ((None, 1000), (100, 100)):
        training = {"all": chosen | {"dev_examples": limit}}
        grid = grid_in(world, tmp_path, **SMALL | {"training": training})
        found = jobs_of(grid, costs)[TRAINING]
        assert found.read_tokens == pytest.approx(
            3 * rows * grid.cards.schema("nli").guessed_tokens
        )


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
