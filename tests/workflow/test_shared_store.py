"""Two studies in two folders with one store: what one has trained, the other takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.project import new_project

pytestmark = pytest.mark.workflow

RECIPES = [
    f"results/tiny/checkpoints/tiny/{condition}/seed1/cldr_region/stamp.json"
    for condition in ("none", "facts_nli")
]


def xstilts(project, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "xstilts.cli.main", *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder / "src")},
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def shared(project, tmp_path):
    """A store that the finished study was pushed to."""
    place = tmp_path / "store"
    project.study(store=str(place))
    said = xstilts(project, "store", "push")
    assert "3 put into" in said
    return place


@pytest.fixture
def second(finished, shared, tmp_path):
    """Another folder with the same study and the same store, nothing computed."""
    other = new_project(tmp_path / "second")
    other.study(store=str(shared))
    return other


def test_the_second_study_trains_nothing_and_its_cells_are_the_same(finished, second):
    """A dry run counts the hits; the run takes them before Snakemake looks, and is done after."""
    done = second.snakemake("-n", "-q", "all")
    assert "store: 3 trainings and 5 of their inputs" in done.stdout
    assert "would be taken" in done.stdout
    assert not (second.folder / "results/tiny/checkpoints").exists()
    done = second.snakemake()
    assert "rule train:" not in done.stdout, done.stdout
    assert second.cells() == finished.cells()
    assert second.checkpoints() == finished.checkpoints()
    assert second.planned() == {}


def test_a_taken_checkpoint_is_made_anew_when_the_study_changes(second):
    """Snakemake has no record of what was taken; a changed hyperparameter is noticed all the same,
    and changing it back takes the old ones again, whatever Snakemake remembers of the others."""
    place = str(second.study_says()["store"])
    second.snakemake(*RECIPES)
    before = second.checkpoints()
    second.study(store=place, training={"all": {"epochs": 2, "max_examples": 16, "max_length": 64}})
    assert second.planned()["train"] == 3
    second.snakemake(*RECIPES)
    assert not set(before.values()) & set(second.checkpoints().values())
    second.study(store=place)
    done = second.snakemake(*RECIPES)
    assert "store: 3 trainings" in done.stdout
    assert "rule train:" not in done.stdout
    assert second.checkpoints() == before


def test_a_corrupt_entry_is_noticed_and_trained_again(finished, second, shared):
    """One flipped byte: the entry is set aside, that training alone runs, and puts a new entry."""
    weights = sorted(shared.glob("checkpoints/*/*/weights.safetensors"))
    for path in weights:
        assert path.stat().st_nlink == 1  # small files are copies: the study's own stays whole
    recipe = next(p for p in weights if b'"start"' in (p.parent / "stamp.json").read_bytes())
    recipe.write_bytes(recipe.read_bytes()[:-1] + b"\x55")
    done = second.snakemake()
    assert "set aside" in done.stdout
    assert done.stdout.count("rule train:") == 1
    assert second.cells() == finished.cells()
    assert second.checkpoints() == finished.checkpoints()
    assert len(list((shared / "corrupt").iterdir())) == 1
    # 3 checkpoints, the encoder, and the train and dev examples of two tasks
    assert "8 entries are whole, 0 were damaged" in xstilts(second, "store", "verify")


def test_inputs_that_are_made_again_cost_no_training(second):
    """Examples gone and made again with the same bytes: the training's job finds its hit."""
    second.snakemake(*RECIPES)
    before = second.checkpoints()
    for path in (second.folder / "resources/examples").glob("facts_nli/train/*"):
        path.unlink()
    second.snakemake(*RECIPES, "--forcerun", "examples_facts_nli_train")
    logs = [p.read_text() for p in second.folder.glob("results/tiny/logs/train/**/*.log")]
    assert logs
    assert all("taken from the store" in text for text in logs)
    assert second.checkpoints() == before
