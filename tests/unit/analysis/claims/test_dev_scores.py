"""Development scores, as trainings record them."""

import json

import pytest

from support.stored import grid_in, put_inputs, train
from xstilts.analysis.claims.dev_scores import dev_scores
from xstilts.grid.keys import EvaluationKey
from xstilts.status.states import States

CHOSEN = {"kept": "best", "dev": {"nli": 71.5, "qa": 42.0}, "dev_examples": {"nli": 9, "qa": 8}}


def record(grid, key, selection):
    """Add to the stamp of a training how its checkpoint was chosen."""
    path = grid.training(key).stamp
    stamp = json.loads(path.read_bytes())
    path.write_text(json.dumps(stamp | {"outcomes": {"selection": selection}}))


@pytest.fixture
def trained(world, tmp_path):
    """A grid whose trainings chose their checkpoints on development data."""
    grid = grid_in(world, tmp_path / "project", conditions=["none", "nli"])
    put_inputs(grid)
    for key in grid.reads.trainings():
        train(grid, key)
        record(grid, key, CHOSEN)
    return grid


def test_each_evaluation_has_that_of_the_training_on_its_recipe(trained):
    found = dev_scores(States(trained))
    assert found.missing == ()
    rows = {tuple(row)[:6] for row in found.table.itertuples(index=False)}
    assert rows == {
        ("tiny", condition, seed, target, "en", score)
        for condition in ("none", "nli")
        for seed in (1, 2)
        for target, score in (("xnli", 71.5), ("xqa", 42.0))
    }
    assert set(found.table["n"]) == {9, 8}


def test_retrieval_has_none_of_its_own(trained):
    """Its checkpoint is that of the intermediate task, or the encoder itself."""
    assert dev_scores(States(trained)).untrained == {"pairs"}


def test_a_training_that_kept_its_last_checkpoint_has_none(trained):
    (key,) = (k for k in trained.reads.trainings() if k[1:] == ("nli", 2, "qa"))
    record(trained, key, {"kept": "last"})
    found = dev_scores(States(trained))
    assert found.missing == (EvaluationKey("tiny", "nli", 2, "xqa"),)
    assert len(found.table) == 7


def test_a_training_that_is_gone_has_none(trained):
    (key,) = (k for k in trained.reads.trainings() if k[1:] == ("none", 1, "nli"))
    trained.training(key).stamp.unlink()
    assert dev_scores(States(trained)).missing == (EvaluationKey("tiny", "none", 1, "xnli"),)


def test_a_grid_without_any_has_an_empty_table(world, tmp_path):
    found = dev_scores(States(grid_in(world, tmp_path / "project")))
    assert found.table.empty
    assert len(found.missing) == 4 * 2 * 2
