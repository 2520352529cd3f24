"""Which artefacts are done, stale or missing: decided by stamps and scores alone."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from support.stored import (
    KEY,
    RECIPE,
    START,
    evaluate,
    finish,
    grid_in,
    put_encoder,
    put_examples,
    train,
)
from xstilts.evaluation import scores
from xstilts.evaluation.score_line import EDITED, TWICE
from xstilts.grid.keys import EvaluationKey, ExamplesKey
from xstilts.grid.snapshot import latest_snapshot, save_snapshot
from xstilts.status.states import States


@pytest.fixture
def grid(world):
    made = grid_in(world, world.folder)
    finish(made)
    return made


def unfinished(grid):
    """The evaluations that are not done."""
    states = States(grid)
    return [key for key in grid.reads.evaluations() if states.evaluation(key) != "done"]


def edit_line(grid, change):
    """Change the lines of one score file as text."""
    path = grid.paths.scores(KEY)
    path.write_text(change(path.read_text().splitlines(keepends=True)))


def test_everything_of_a_finished_grid_is_done(grid):
    """Encoders, examples, trainings and scores."""
    states = States(grid)
    assert {states.encoder(name) for name in grid.study.encoders} == {"done"}
    assert {states.training(key) for key in grid.reads.trainings()} == {"done"}
    assert states.examples("xqa", "test", "sw") == "done"
    assert unfinished(grid) == []


def test_nothing_of_a_new_grid_is_done(world):
    """All is missing, and looking writes nothing."""
    grid = grid_in(world, world.folder / "elsewhere")
    states = States(grid)
    assert {states.training(key) for key in grid.reads.trainings()} == {"missing"}
    assert set(states.scores(KEY).values()) == {"missing"}
    assert (states.table, states.report, states.contamination) == ("missing",) * 3
    assert not (world.folder / "elsewhere").exists()


DAMAGES = {
    "a line is deleted": lambda grid: edit_line(grid, lambda lines: "".join(lines[1:])),
    "a line is truncated": lambda grid: edit_line(grid, lambda lines: "".join(lines)[:-40]),
    "a line is no JSON": lambda grid: edit_line(grid, lambda lines: "x" + "".join(lines)),
    "a score is of another spec": lambda grid: evaluate(grid, KEY, spec="f" * 64),
    "the archive is deleted": lambda grid: scores.archive(grid.paths.scores(KEY)).unlink(),
    "the archive is truncated": lambda grid: os.truncate(
        scores.archive(grid.paths.scores(KEY)), 20
    ),
    "the file is deleted": lambda grid: grid.paths.scores(KEY).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_evaluation_that_lacks_something_is_not_done(damage, grid):
    """It alone."""
    DAMAGES[damage](grid)
    assert unfinished(grid) == [KEY]


def test_a_deleted_line_is_missing_and_the_others_are_done(grid):
    """A language at a time."""
    edit_line(grid, lambda lines: "".join(x for x in lines if json.loads(x)["language"] != "sw"))
    assert Counter(States(grid).scores(KEY).values()) == {"done": 3, "missing": 1}
    assert States(grid).scores(KEY)["sw"] == "missing"


def test_a_score_that_was_changed_is_stale_and_named(grid):
    """A digit of a metric, a line twice, predictions of another language: the others are done."""
    path = grid.paths.scores(KEY)
    lines = path.read_text().splitlines(keepends=True)
    whole = {"de", "en", "no", "sw"}
    for change, fault in (
        (lines[0].replace("50.0", "99.0"), EDITED),
        (lines[0] + lines[0], TWICE),
    ):
        path.write_text("".join([change, *lines[1:]]))
        states = States(grid)
        assert states.scores(KEY) == dict.fromkeys(whole, "done") | {"de": "stale"}
        assert states.faults(KEY) == {"de": fault}
    path.write_text("".join(lines))
    archive = scores.archive(path)
    archive.write_bytes(archive.read_bytes().replace(b"de.parquet", b"xx.parquet"))
    assert States(grid).scores(KEY) == dict.fromkeys(whole, "done") | {"de": "stale"}
    assert States(grid).faults(KEY) == {"de": scores.OTHER_PREDICTIONS}


def test_scores_of_another_checkpoint_are_stale(grid):
    """In the targets that are read from it, and no others."""
    train(grid, RECIPE, salt="other bytes")
    assert unfinished(grid) == [KEY]
    assert set(States(grid).scores(KEY).values()) == {"stale"}


def test_scores_of_other_examples_are_stale(grid):
    """In that language, in every evaluation of the target."""
    put_examples(grid, ExamplesKey("xqa", "test", "sw"), salt="other bytes")
    assert {key.target for key in unfinished(grid)} == {"xqa"}
    assert Counter(States(grid).scores(KEY).values()) == {"done": 3, "stale": 1}


def test_a_training_from_other_inputs_is_stale(grid):
    """Other examples, another start, another encoder under the same names."""
    put_examples(grid, ExamplesKey("qa", "train", "en"), salt="other bytes")
    assert States(grid).training(RECIPE) == "stale"
    assert States(grid).training(START) == "done"
    finish(grid)
    train(grid, START, salt="other bytes")
    assert States(grid).training(RECIPE) == "stale"
    finish(grid)
    put_encoder(grid, "tiny", salt="other bytes")
    assert {States(grid).training(key) for key in (START, RECIPE)} == {"stale"}


def test_what_follows_a_training_from_other_inputs_is_stale(grid):
    """The trainings and the scores after it, before it is trained again."""
    put_examples(grid, ExamplesKey("nli", "train", "en"), salt="other bytes")
    states = States(grid)
    assert {states.training(key) for key in (START, RECIPE)} == {"stale"}
    assert set(states.scores(KEY).values()) == {"stale"}


def test_a_stamp_of_another_spec_is_stale(grid):
    """Whatever put it there."""
    for artefact in (grid.encoder("tiny"), grid.training(START)):
        record = json.loads(artefact.stamp.read_text())
        artefact.stamp.write_text(json.dumps(record | {"spec": "f" * 64}))
    states = States(grid)
    assert (states.encoder("tiny"), states.training(START)) == ("stale", "stale")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"spec": 1}', b"null"])
def test_a_damaged_stamp_is_stale(content, grid):
    """It is no error: the job that makes it runs again."""
    grid.training(START).stamp.write_bytes(content)
    assert States(grid).training(START) == "stale"


@pytest.mark.parametrize("content", [b"", b'{"spec": 1}'])
def test_a_damaged_stamp_leaves_what_was_computed_from_its_artefact(content, grid):
    """As if the artefact had been deleted: no training runs for scores that are right."""
    for stamp in (
        grid.encoder("tiny").stamp,
        grid.training(START).stamp,
        grid.examples_stamp(ExamplesKey("qa", "train", "en")),
        grid.examples_stamp(ExamplesKey("xqa", "test", "sw")),
    ):
        stamp.write_bytes(content)
    assert States(grid).training(RECIPE) == "done"
    assert unfinished(grid) == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 9)])
def test_a_stamp_without_its_files_is_missing(damage, grid):
    """Weights that were deleted or cut off: who needs them has them trained again."""
    damage(grid.training(RECIPE).folder / "weights.safetensors")
    damage(grid.examples_stamp(ExamplesKey("xqa", "test", "sw")).with_suffix(".parquet"))
    states = States(grid)
    assert (states.training(RECIPE), states.examples("xqa", "test", "sw")) == ("missing",) * 2
    assert unfinished(grid) == []


def test_scores_in_the_file_of_another_evaluation_are_stale(grid):
    """Also where both are of one spec: an encoder that no seed has trained."""
    one, two = (EvaluationKey("tiny", "none", seed, "pairs") for seed in (1, 2))
    assert grid.evaluation(one).digest == grid.evaluation(two).digest
    for of in (grid.paths.scores, lambda key: scores.archive(grid.paths.scores(key))):
        of(two).write_bytes(of(one).read_bytes())
    assert unfinished(grid) == [two]


def test_deleted_inputs_change_nothing(grid):
    """Examples and checkpoints may be deleted to save space."""
    grid.examples_stamp(ExamplesKey("xqa", "test", "sw")).unlink()
    grid.training(RECIPE).stamp.unlink()
    grid.training(START).stamp.unlink()
    assert unfinished(grid) == []
    assert States(grid).training(RECIPE) == "missing"


def test_file_times_play_no_part(grid):
    """A copied or touched folder is as it was."""
    for path in grid.paths.resources.rglob("*"):
        os.utime(path, (1, 1))
    assert unfinished(grid) == []


def test_another_spec_is_another_path(grid, world):
    """Both checkpoints are there; each study has its own, and going back is free."""
    other = grid_in(world, world.folder, training={"tasks": {"qa": {"learning_rate": 0.001}}})
    assert other.training(RECIPE).folder != grid.training(RECIPE).folder
    assert other.training(START).folder == grid.training(START).folder
    assert States(other).training(RECIPE) == "missing"
    train(other, RECIPE)
    assert States(other).training(RECIPE) == "done"
    assert States(grid).training(RECIPE) == "done"


def test_languages_come_and_go(grid, world):
    """A language less leaves nothing to do; one more is missing in the targets that have it."""
    fewer = grid_in(world, world.folder, languages=["en", "de", "sw"])
    assert unfinished(fewer) == []
    for path in fewer.paths.results.glob("scores/**/*"):
        if path.is_file():
            path.unlink()
    for key in fewer.reads.evaluations():
        evaluate(fewer, key)
    more = {key.target for key in unfinished(grid)}
    assert more == {"xnli", "xqa"}


class TestVersions:
    """Scores that another version of the code or of the environment computed."""

    @pytest.fixture
    def later(self, grid, world):
        """The study after an upgrade of the environment."""
        save_snapshot(grid)
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        return lambda **changes: grid_in(world, world.folder, **changes)

    def test_they_are_stale_unless_the_study_keeps_them(self, later):
        """By default they are computed again."""
        assert set(States(later()).scores(KEY).values()) == {"stale"}
        kept = States(later(other_versions="keep"))
        assert set(kept.scores(KEY).values()) == {"done"}
        assert kept.evaluation(KEY) == "done"

    def test_a_kept_score_names_its_version(self, grid, later):
        """By the snapshot of it; scores of the present version have none."""
        kept = later(other_versions="keep")
        name = latest_snapshot(grid.paths.results).stem[:12]
        assert States(kept).versions(KEY) == dict.fromkeys(["en", "de", "sw", "no"], name)
        finish(kept)
        assert States(kept).versions(KEY) == {}

    def test_what_differs_in_more_than_the_version_is_not_kept(self, later):
        """Such as a hyperparameter of its recipe."""
        faster = {"tasks": {"qa": {"learning_rate": 0.001}}}
        states = States(later(other_versions="keep", training=faster))
        assert set(states.scores(KEY).values()) == {"stale"}
        assert states.evaluation(EvaluationKey("tiny", "none", 1, "xnli")) == "done"

    def test_a_version_whose_snapshot_is_lost_is_not_kept(self, grid, later):
        """Nothing shows what it was."""
        latest_snapshot(grid.paths.results).unlink()
        assert set(States(later(other_versions="keep")).scores(KEY).values()) == {"stale"}

    def test_a_kept_score_must_be_of_the_inputs_that_its_version_left(self, grid, later):
        """As any score."""
        train(grid, RECIPE, salt="other bytes")
        assert set(States(later(other_versions="keep")).scores(KEY).values()) == {"stale"}

    def test_a_changed_score_is_not_kept(self, grid, later):
        """Its line was edited."""
        edit_line(grid, lambda lines: "".join(lines).replace('"accuracy":50.0', '"accuracy":99.0'))
        assert "done" not in States(later(other_versions="keep")).scores(KEY).values()
