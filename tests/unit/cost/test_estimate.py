"""The jobs that a run would start."""

from __future__ import annotations

import json

import pytest

from support.costs import SMALL, TRAINING, jobs_of
from support.stored import evaluate, grid_in, put_inputs, train
from support.world import ENCODER, task_card
from xstilts.cost.estimate import PACKED, estimate
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


def test_predictions_take_bytes_by_their_rows(grid, costs):
    """Five languages of 500 examples, and 30 bytes a prediction."""
    assert jobs_of(grid, costs)["evaluate tiny/nli/seed1/xnli"].bytes == 5 * 500 * 30


def test_an_encoder_in_a_folder_has_the_size_that_its_config_states(world, tmp_path, costs):
    """Fetched or not: a checkpoint of a tiny encoder takes kilobytes, not gigabytes."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    shape = {"hidden_size": 16, "num_hidden_layers": 4, "intermediate_size": 24, "vocab_size": 60}
    (folder / "config.json").write_text(json.dumps(shape))
    world.write("encoders", ENCODER | {"folder": str(folder), "layers": 2})
    body = 2 * (4 * 16 * 16 + 2 * 16 * 24)
    grid = world.grid(**SMALL, resources=str(tmp_path / "resources"))
    assert jobs_of(grid, costs)[TRAINING].bytes == PACKED * 4 * (body + 60 * 16)


def test_masked_language_modelling_stores_the_whole_vocabulary(world, tmp_path, costs):
    """So does the recipe that starts from it."""
    kind = ("mlm", "plain_texts", "none", "loss")
    world.write("tasks", task_card("text", kind, {"train": ["en"]}))
    study = {"conditions": ["none", "nli", "nli+mlm"], "mlm": {"text": "text"}}
    jobs = jobs_of(grid_in(world, tmp_path, **SMALL | study), costs)
    whole = PACKED * 4 * (100e6 + 250_002 * 768)
    for stage in ("intermediate", "nli"):
        assert jobs[f"train tiny/nli+mlm/seed1/{stage}"].bytes == pytest.approx(whole)
    assert jobs[TRAINING].bytes < whole
