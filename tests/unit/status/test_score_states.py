"""Evaluations whose file of cells is there, and which must run all the same."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from support.stored import evaluate
from xstilts.evaluation import scores
from xstilts.status.score_states import Gaps
from xstilts.workflow.inputs import evaluation_inputs

KEY = ("tiny", "nli", 1, "xqa")


def finish(grid):
    """StampReader and cells of a whole grid, as if all had run."""
    for task, split, languages in grid.needed_examples():
        for language in languages:
            stamp(grid.examples_stamp(task, split, language))
    for key in grid.evaluations():
        stamp(grid.evaluated(*key))
        evaluate(grid, *key)


def stamp(path, says="made"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{path}: {says}")


@pytest.fixture
def grid(world):
    made = world.grid(resources=str(world.folder / "resources"))
    finish(made)
    return made


def test_a_finished_grid_has_none(grid):
    """Nor has one where nothing has run: Snakemake sees that files are missing."""
    assert Gaps(grid).files() == []
    for key in grid.evaluations():
        grid.cells(*key).unlink()
    assert Gaps(grid).files() == []


def edit(grid, **changes):
    """Change the first cell of an evaluation."""
    lines = grid.cells(*KEY).read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | changes)
    grid.cells(*KEY).write_text("\n".join(lines))


def lose_line(grid):
    lines = grid.cells(*KEY).read_text().splitlines()
    grid.cells(*KEY).write_text("\n".join(lines[1:]))


def cut_line(grid):
    grid.cells(*KEY).write_bytes(grid.cells(*KEY).read_bytes()[:-40])


def cut_archive(grid):
    archive = scores.archive(grid.cells(*KEY))
    archive.write_bytes(archive.read_bytes()[:-1])


SPOILT = {
    "a line is lost": lose_line,
    "a line is cut": cut_line,
    "no cell is left": lambda grid: grid.cells(*KEY).write_text(""),
    "another spec": lambda grid: edit(grid, spec="0" * 64),
    "no inputs": lambda grid: edit(grid, inputs=None),
    "the archive is lost": lambda grid: scores.archive(grid.cells(*KEY)).unlink(),
    "the archive is cut": cut_archive,
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_lacks_something_is_found(spoil, grid):
    """It alone."""
    SPOILT[spoil](grid)
    assert Gaps(grid).files() == [grid.cells(*KEY)]


def test_another_checkpoint_is_found(grid):
    """In the targets that are read from it."""
    stamp(grid.checkpoint_stamp("tiny", "nli", 1, "qa"), "another")
    assert Gaps(grid).files() == [grid.cells(*KEY)]


def test_other_examples_are_found(grid):
    """In every evaluation of that target."""
    stamp(grid.examples_stamp("xqa", "test", "sw"), "another")
    assert Gaps(grid).files() == [grid.cells(*k) for k in grid.evaluations() if k[3] == "xqa"]


def test_inputs_that_are_gone_change_nothing(grid):
    """Examples and checkpoints may be deleted to save space."""
    grid.examples_stamp("xqa", "test", "sw").unlink()
    grid.checkpoint_stamp("tiny", "nli", 1, "qa").unlink()
    assert Gaps(grid).files() == []


def test_languages_come_and_go(grid, world):
    """One less is nothing; one more is found wherever the target has it."""
    resources = str(world.folder / "resources")
    fewer = world.grid(resources=resources, languages=["en", "de", "sw"])
    assert Gaps(fewer).files() == []
    finish(fewer)
    found = Gaps(grid).files()
    assert found == [grid.cells(*k) for k in grid.evaluations() if k[3] in ("xnli", "xqa")]


def test_snakemake_is_told(grid):
    """When it asks for the inputs of an evaluation, which it does before it decides what to run."""
    lose_line(grid)
    gaps, workflow = Gaps(grid), SimpleNamespace(dag=SimpleNamespace(forcefiles=set()))
    for key in grid.evaluations():
        evaluation_inputs(workflow, gaps, key)
    assert workflow.dag.forcefiles == {str(grid.cells(*KEY))}
