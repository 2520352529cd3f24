"""The command ``xstilts store``: what its verbs print."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from xstilts.errors import DamagedEntry, LineageError
from xstilts.store.entry import Entry, training_name
from xstilts.store.giving import give
from xstilts.store.here import Here
from xstilts.store.shelf import entries
from xstilts.store.taking import take
from xstilts.store.upkeep import collect, damage

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid
    from xstilts.store.shelf import Shelf


def print_list(shelf: Shelf) -> int:
    """One line an entry: what it is, its size, when it was put."""
    total = 0
    for key, entry in entries(shelf):
        if isinstance(entry, DamagedEntry):
            print(f"{key}: damaged: {entry}")
            continue
        total += entry.size
        about = entry.about
        where = " ".join(str(about[k]) for k in ("study", "device", "precision") if k in about)
        size = f"{entry.size / 1e6:9.1f} MB"
        print(f"{key[:24]}  {size}  {about.get('put', '')[:10]}  {about.get('what', '')}  {where}")
    print(f"{total / 1e9:.2f} GB in {shelf.place}")
    return 0


def print_verified(shelf: Shelf) -> int:
    """Read every entry; set the damaged ones aside. Status 1 if there were any."""
    whole, damaged = 0, 0
    with TemporaryDirectory() as scratch:
        for key, entry in entries(shelf):
            if isinstance(entry, Entry):
                problem = damage(shelf, entry, Path(scratch))
            else:
                problem = str(entry)
            if problem is None:
                whole += 1
                continue
            damaged += 1
            print(f"{problem}; set aside: {shelf.set_aside(key)}")
    print(f"{whole} entries are whole, {damaged} were damaged")
    return 1 if damaged else 0


def print_given(grid: Grid, shelf: Shelf) -> int:
    """Push every checkpoint of a study that is there and current."""
    here, put, there, left = Here(), 0, 0, 0
    for key in grid.trainings():
        if not here.is_current(grid.training(*key), grid.training_inputs(*key)):
            left += 1
            continue
        try:
            new = give(grid, shelf, key)
        except LineageError as error:
            left += 1
            print(f"not put: {error}")
            continue
        put, there = put + new, there + (not new)
        if new:
            print(f"put: {training_name(key)}")
    print(f"{put} put into {shelf.place}, {there} were there, {left} are not here whole")
    return 0


def print_taken(grid: Grid, shelf: Shelf, dry: bool) -> int:
    """Take what the study is missing."""
    result = take(grid, shelf, dry=dry)
    for name in result.trainings:
        print(f"{'would take' if dry else 'taken'}: {name}")
    print(f"{result}; {result.missing} are missing in {shelf.place}")
    return 0


def print_collected(
    shelf: Shelf, *, max_bytes: int | None, older_than: float | None, dry: bool
) -> int:
    """Collect, and say what went."""
    freed = collect(shelf, max_bytes=max_bytes, older_than=older_than, dry=dry)
    for key in freed.entries:
        print(f"{'would remove' if dry else 'removed'}: {key}")
    print(f"{freed.bytes / 1e9:.2f} GB less, {freed.left / 1e9:.2f} GB left in {shelf.place}")
    return 0
