"""Archives of stored grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.places import ROOT
from support.stored import grid_in
from xstilts.archive import archive_file
from xstilts.archive.contents import Contents, pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.world import World
    from xstilts.grid.artefacts import Grid


def small_grid(world: World, folder: Path, **changes: object) -> Grid:
    """Sixteen scores in four evaluations: a target, two conditions and two seeds."""
    few = {"conditions": ["none", "nli"], "targets": ["xqa"]}
    return grid_in(world, folder, **(few | changes))


def archive_of(grid: Grid, path: Path) -> Path:
    """Pack a grid as the command does."""
    pack(grid, ROOT, path)
    return path


def members_of(grid: Grid, work: Path) -> dict[str, bytes]:
    """The members that an archive of a grid has, by name."""
    members = Contents(grid, ROOT, work).members
    return {
        name: source if isinstance(source, bytes) else source.read_bytes()
        for name, source in members.items()
    }


def crafted(grid: Grid, path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """An archive of a grid with changed members, whose manifest is consistent with the change."""
    members = members_of(grid, path.parent / "work")
    change(members)
    (snapshot,) = (name for name in members if name.startswith("results/snapshots/"))
    digest = snapshot.removeprefix("results/snapshots/").removesuffix(".json")
    archive_file.write(path, grid.study.study, digest, members)
    return path


def contents_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
