"""A finished study, and copies of it that tests tamper with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.audited import audited_grid, copy_of, empty_world

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished study; not to be changed."""
    folder: Path = tmp_path_factory.mktemp("audited") / "project"
    audited_grid(empty_world(folder))
    return folder


@pytest.fixture
def grid(finished, tmp_path) -> Grid:
    """The grid of a copy of the study, to be tampered with."""
    return copy_of(finished, tmp_path / "copy")
