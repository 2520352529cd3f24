"""A study under other versions of the code or of the environment."""

from __future__ import annotations

import pytest

from support.stored import KEY, grid_in
from xstilts.errors import LineageError
from xstilts.grid.snapshot import save_snapshot
from xstilts.grid.versions import other_versions, under_version


@pytest.fixture
def before(world):
    """The snapshot of a run in another environment, and the digest that an evaluation had."""
    grid = grid_in(world, world.folder)
    snapshot, digest = save_snapshot(grid), grid.evaluation(KEY).digest
    (world.folder / "lock.txt").write_text("torch==2.14.0\n")
    return snapshot, digest


def test_a_grid_has_the_digests_of_another_version(world, before):
    """Those that its scores had then."""
    snapshot, digest = before
    grid = grid_in(world, world.folder)
    assert grid.evaluation(KEY).digest != digest
    ((name, other),) = other_versions(grid).items()
    assert snapshot.stem.startswith(name)
    assert other.evaluation(KEY).digest == digest
    assert under_version(grid, snapshot).evaluation(KEY).digest == digest


def test_another_study_under_that_version_has_other_digests(world, before):
    """Nothing but the version is taken from the snapshot."""
    changed = grid_in(world, world.folder, training={"tasks": {"qa": {"learning_rate": 0.001}}})
    ((_, other),) = other_versions(changed).items()
    assert other.evaluation(KEY).digest != before[1]


def test_the_present_version_is_no_other_one(world):
    """Nor is it where only the study was changed since."""
    save_snapshot(grid_in(world, world.folder, seeds=[1]))
    assert other_versions(grid_in(world, world.folder)) == {}


def test_snapshots_of_one_version_count_once(world, before):
    """Whatever their studies."""
    (world.folder / "lock.txt").write_text("torch==2.13.0\n")
    save_snapshot(grid_in(world, world.folder, seeds=[7]))
    (world.folder / "lock.txt").write_text("torch==2.14.0\n")
    assert len(other_versions(grid_in(world, world.folder))) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"environment": 1, "code": []}', '{"code": 1}'])
def test_a_damaged_snapshot_is_no_version(world, before, text):
    """It is left out; asked for by name it is an error."""
    before[0].write_text(text)
    grid = grid_in(world, world.folder)
    assert other_versions(grid) == {}
    with pytest.raises(LineageError, match="cannot be read as a snapshot of a study"):
        under_version(grid, before[0])
