"""Paths carry the identity of what they hold."""

from __future__ import annotations

from support.stored import KEY, RECIPE, START
from xstilts.grid.keys import ExamplesKey, TrainingKey
from xstilts.grid.paths import Paths


def test_paths_are_those_that_the_documentation_names(world):
    """A shared artefact's path ends in the first 16 digits of its digest."""
    grid = world.grid(results="out", resources="shared")
    encoder, examples = grid.encoder("tiny"), grid.examples("xqa", "test")
    start, recipe = grid.training(START), grid.training(RECIPE)
    assert list(
        map(
            str,
            [
                encoder.stamp,
                grid.examples_stamp(ExamplesKey("xqa", "test", "sw")),
                start.stamp,
                recipe.stamp,
                grid.paths.checkpoint_link(RECIPE),
                grid.paths.scores(KEY),
                grid.paths.contamination,
                grid.paths.table,
                grid.paths.report,
                grid.submission.stamp,
                grid.paths.log("train", RECIPE),
            ],
        )
    ) == [
        f"shared/encoders/tiny-{encoder.digest[:16]}/stamp.json",
        f"shared/examples/xqa-test-{examples.digest[:16]}/sw.json",
        f"shared/checkpoints/tiny/nli-{start.digest[:16]}/stamp.json",
        f"shared/checkpoints/tiny/qa-{recipe.digest[:16]}/stamp.json",
        "out/small/checkpoints/tiny/nli/seed1/qa",
        "out/small/scores/tiny/nli/seed1/xqa.jsonl",
        "out/small/contamination.json",
        "out/small/grid.parquet",
        "out/small/report.html",
        "out/small/submission/stamp.json",
        "out/small/logs/train/tiny/nli/seed1/qa.log",
    ]


def test_another_spec_is_another_path(world):
    """Of what it decides, and of nothing else."""
    one, other = world.grid(), world.grid(training={"tasks": {"qa": {"epochs": 1.0}}})
    assert one.training(RECIPE).folder != other.training(RECIPE).folder
    assert one.training(START).folder == other.training(START).folder
    assert one.encoder("tiny").folder == other.encoder("tiny").folder


def test_other_seeds_are_other_paths(world):
    """Although the path does not name the seed."""
    grid = world.grid()
    assert grid.training(START).folder != grid.training(START._replace(seed=2)).folder


def test_the_same_training_under_two_keys_is_one_path(world):
    """The encoder fine-tuned on nli: as an intermediate task, and as a recipe of the baseline."""
    grid = world.grid()
    recipe = TrainingKey("tiny", "none", 1, "nli")
    assert grid.training(recipe).stamp == grid.training(START).stamp
    assert grid.paths.checkpoint_link(recipe) != grid.paths.checkpoint_link(START)


def test_studies_that_share_resources_share_artefacts(world):
    """Whatever they are called and wherever their results lie."""
    one = world.grid(results="a", resources="shared")
    other = world.grid(study="other", results="b", resources="shared", conditions=["none", "nli"])
    assert one.training(RECIPE).stamp == other.training(RECIPE).stamp
    assert one.paths.scores(KEY) != other.paths.scores(KEY)


def test_nothing_on_disk_is_looked_at(world, monkeypatch):
    """Paths depend on the study alone, so that they can be named before anything exists."""

    def refuse(*args, **kwargs):
        raise AssertionError("the disk was looked at")

    study = world.resolve().study
    for name in ("stat", "exists", "iterdir", "open", "resolve"):
        monkeypatch.setattr(f"pathlib.Path.{name}", refuse)
    paths = Paths.of(study)
    found = [paths.scores(KEY), paths.checkpoint(RECIPE, "0" * 64), paths.encoder("tiny", "1" * 64)]
    monkeypatch.undo()
    assert len(set(found)) == 3
