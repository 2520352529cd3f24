"""Which shared artefacts no study needs any more."""

from __future__ import annotations

import json

import pytest

from support.stored import RECIPE, finish, grid_in, train
from xstilts.errors import LineageError, UsageError
from xstilts.grid.collect import studies_in, unneeded
from xstilts.grid.snapshot import save_snapshot
from xstilts.runtime.lock import LOCK_FILE

OTHER = {"training": {"tasks": {"qa": {"learning_rate": 0.001}}}}


@pytest.fixture
def grid(world):
    """A finished grid that was run."""
    finished = grid_in(world, world.folder)
    finish(finished)
    save_snapshot(finished)
    return finished


@pytest.fixture
def old(grid, world):
    """A checkpoint of an earlier version of the study."""
    earlier = grid_in(world, world.folder, **OTHER)
    train(earlier, RECIPE)
    return earlier.training(RECIPE).folder


def folders(results, **options):
    return [found.folder for found in unneeded(studies_in(results), **options)]


def test_all_artefacts_of_a_study_are_needed(grid):
    """Encoders, examples and checkpoints."""
    assert folders([grid.paths.results.parent]) == []


def test_an_artefact_of_another_spec_is_not_needed(grid, old):
    """With the bytes that removing it frees."""
    (found,) = unneeded(studies_in([grid.paths.results.parent]))
    assert found.folder == old
    assert found.size == sum(path.stat().st_size for path in old.iterdir())


@pytest.mark.parametrize("kind", ["encoders/x", "examples/x", "checkpoints/tiny/x"])
def test_every_kind_of_artefact_is_looked_for(kind, grid):
    """Wherever it lies below the resources."""
    folder = grid.paths.resources / kind
    folder.mkdir()
    assert folders([grid.paths.results.parent]) == [folder]


def test_downloads_and_loose_files_are_no_artefacts(grid):
    """They are not listed."""
    (grid.paths.resources / "raw").mkdir()
    (grid.paths.resources / "examples" / "notes.txt").write_text("mine")
    assert folders([grid.paths.results.parent]) == []


def test_a_locked_artefact_stays(grid, old):
    """A job of some study works on it."""
    (old / LOCK_FILE).write_text("{}")
    assert folders([grid.paths.results.parent]) == []


def test_what_another_study_needs_stays(grid, old, world):
    """If its results folder is named."""
    elsewhere = world.folder / "elsewhere"
    other = world.grid(
        results=str(elsewhere), resources=str(grid.paths.resources), study="other", **OTHER
    )
    save_snapshot(other)
    assert folders([grid.paths.results.parent]) == [old]
    assert folders([grid.paths.results.parent, elsewhere]) == []


def test_what_a_run_that_goes_on_needs_stays(grid, old, world):
    """Although a later run of the study worked from another snapshot."""
    snapshot = save_snapshot(grid_in(world, world.folder, **OTHER))
    save_snapshot(grid)
    assert folders([grid.paths.results.parent]) == [old]
    run = grid.paths.results / ".runs" / "now" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"snapshot": str(snapshot)}))
    assert folders([grid.paths.results.parent]) == []


def test_resources_may_lie_elsewhere_than_the_studies_name(grid, old):
    """Such as on another machine."""
    moved = grid.paths.resources.rename(grid.paths.resources.with_name("moved"))
    found = folders([grid.paths.results.parent], resources=moved)
    assert found == [moved / old.relative_to(grid.paths.resources)]


def test_without_a_study_nothing_is_unneeded(tmp_path):
    """Else everything would be removed."""
    with pytest.raises(UsageError, match="holds no study that was run; name the results folders"):
        studies_in([tmp_path])


def test_a_snapshot_that_cannot_be_read_stops_the_search(grid, old):
    """What it needs is not known."""
    (snapshot,) = studies_in([grid.paths.results.parent])
    snapshot.write_text("{}")
    with pytest.raises(LineageError, match="was edited"):
        folders([grid.paths.results.parent])
