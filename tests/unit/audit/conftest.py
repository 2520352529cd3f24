"""A finished study, and copies of it that tests tamper with."""

from __future__ import annotations

import shutil
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest

from support.audited import STUDY, audited_grid
from support.world import LANGUAGES, World
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import latest_snapshot, load_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished study; not to be changed."""
    folder: Path = tmp_path_factory.mktemp("audited") / "project"
    world = World(folder, deepcopy(STUDY))
    world.config.mkdir(parents=True)
    (world.config / "languages.tsv").write_text(LANGUAGES, encoding="utf-8")
    (folder / "lock.txt").write_text("torch==2.13.0\n")
    audited_grid(world)
    return folder


@pytest.fixture
def grid(finished, tmp_path) -> Grid:
    """The grid of a copy of the study, to be tampered with."""
    return copy_of(finished, tmp_path / "copy")


def copy_of(finished: Path, folder: Path) -> Grid:
    """Copy a finished study; give its grid, whose paths are those of the copy."""
    shutil.copytree(finished, folder, symlinks=True)
    results = folder / "results/small"
    snapshot = latest_snapshot(results)
    assert snapshot
    return load_snapshot(snapshot, Paths(results, folder / "resources"))
