"""``xstilts gc``."""

from __future__ import annotations

import pytest

from support.stored import RECIPE, finish, grid_in, train
from xstilts.cli.main import main
from xstilts.grid.snapshot import save_snapshot
from xstilts.runtime.lock import LOCK_FILE


@pytest.fixture
def grid(world):
    """A finished grid that was run."""
    finished = grid_in(world, world.folder)
    finish(finished)
    save_snapshot(finished)
    return finished


@pytest.fixture
def old(grid, world):
    """A checkpoint that the study no longer needs."""
    earlier = grid_in(world, world.folder, training={"tasks": {"qa": {"learning_rate": 0.001}}})
    train(earlier, RECIPE)
    return earlier.training(RECIPE).folder


def files_below(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_it_removes_what_no_study_needs(grid, old, world, capsys):
    """All else stays."""
    before = files_below(world.folder) - files_below(old)
    assert main(["gc", str(world.folder / "results")]) == 0
    assert files_below(world.folder) == before
    assert not old.exists()
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"removing {old} (")
    assert last.startswith("1 artefacts, ")
    assert last.endswith(" freed; 1 snapshots of studies read")


def test_a_dry_run_removes_nothing(old, world, capsys):
    """It lists the same artefacts."""
    before = files_below(world.folder)
    assert main(["gc", "--dry-run", str(world.folder / "results")]) == 0
    assert files_below(world.folder) == before
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"would remove {old} (")
    assert " would be freed" in last


def test_locked_artefacts_stay(old, world):
    """A job works on them."""
    (old / LOCK_FILE).write_text("{}")
    assert main(["gc", str(world.folder / "results")]) == 0
    assert old.is_dir()


def test_the_results_of_the_working_folder_are_the_default(old, world, monkeypatch):
    """As for snakemake."""
    monkeypatch.chdir(world.folder)
    assert main(["gc"]) == 0
    assert not old.exists()


def test_without_a_study_it_removes_nothing(old, world, capsys):
    """A wrong folder must not look like one that needs nothing."""
    empty = world.folder / "empty"
    empty.mkdir()
    assert main(["gc", str(empty), "--resources", str(world.folder / "resources")]) == 2
    assert capsys.readouterr().err == (
        f"xstilts: {empty}: holds no study that was run; name the results folders\n"
    )
    assert old.is_dir()
