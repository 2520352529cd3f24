"""The jobs that a run would start."""

from __future__ import annotations

import pytest

from support.costs import TRAINING, jobs_of
from support.stored import evaluate, put_inputs, train
from xstilts.cost.estimate import estimate
from xstilts.grid.keys import EvaluationKey, TrainingKey

INTERMEDIATE = TrainingKey("tiny", "nli", 1, "intermediate")
RECIPE = TrainingKey("tiny", "nli", 1, "nli")
BASELINE = EvaluationKey("tiny", "none", 1, "xnli")


@pytest.fixture
def grid(grid):
    """With its encoder and examples."""
    put_inputs(grid)
    return grid


def test_jobs_wait_for_the_trainings_that_they_start_from(grid, costs):
    """``none`` after the recipe is the checkpoint of the intermediate stage: trained once."""
    jobs = jobs_of(grid, costs)
    assert {title: job.waits_for for title, job in jobs.items()} == {
        TRAINING: None,
        "train tiny/nli/seed1/nli": TRAINING,
        "evaluate tiny/none/seed1/xnli": TRAINING,
        "evaluate tiny/nli/seed1/xnli": "train tiny/nli/seed1/nli",
    }


def test_checkpoints_and_scores_of_the_right_spec_are_done(grid, costs):
    train(grid, INTERMEDIATE)
    evaluate(grid, BASELINE)
    plan = estimate(grid, costs)
    assert plan.done == {"train": 1, "evaluate": 1}
    assert {job.title for job in plan.jobs} == {
        "train tiny/nli/seed1/nli",
        "evaluate tiny/nli/seed1/xnli",
    }


def test_scores_stay_done_if_their_checkpoint_was_deleted(grid, costs):
    train(grid, INTERMEDIATE)
    train(grid, RECIPE)
    evaluate(grid, BASELINE)
    grid.training(INTERMEDIATE).stamp.unlink()
    assert "evaluate tiny/none/seed1/xnli" not in jobs_of(grid, costs)


def test_only_missing_languages_are_read(grid, costs):
    train(grid, INTERMEDIATE)
    evaluate(grid, BASELINE, languages=["en", "de", "sw"])
    assert jobs_of(grid, costs)["evaluate tiny/none/seed1/xnli"].read_tokens == 2 * 500 * 50
