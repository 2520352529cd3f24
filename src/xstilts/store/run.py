"""The store in a run: asked before the DAG is built and when a training starts, given to after it.

A store that cannot be reached, or that refuses, is said, and the run goes on without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.errors import StoreError
from xstilts.store.giving import give
from xstilts.store.shelf import open_shelf
from xstilts.store.taken import settle, taken_note
from xstilts.store.taking import take

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import Key

    Say = Callable[[str], None]


def resolve_hits(grid: Grid, dry: bool, say: Say) -> list[Path]:
    """Before the DAG is built: take what the study's store has, so that it queues for no GPU.

    A store that cannot be reached is said, and the run goes on without it. Returns the stamps that
    were put in place.
    """
    stale = settle(grid, dry)
    if stale and dry:
        say(f"store: {stale} artefacts that were taken are no longer what the study asks for")
    if grid.study.store is None:
        return []
    shelf = open_shelf(grid.study.store)
    try:
        result = take(grid, shelf, say, dry=dry)
    except StoreError as error:
        say(f"{error}; going on without it")
        return []
    if result.trainings:
        verb = "would be taken from" if dry else "taken from"
        note = "; the jobs listed count them still" if dry else ""
        say(f"store: {result} {verb} {shelf.place}{note}")
    return [] if dry else result.stamps


def take_one(grid: Grid, key: Key, say: Say = print) -> bool:
    """In a training's job: the last chance of a hit, now that all its inputs are here."""
    if grid.study.store is None:
        return False
    try:
        result = take(grid, open_shelf(grid.study.store), say, only=[key])
    except StoreError as error:
        say(f"{error}; training")
        return False
    if result.trainings:
        say(f"taken from the store {grid.study.store}")
    return bool(result.trainings)


def give_one(grid: Grid, key: Key, say: Say = print) -> None:
    """After a training: put it into the store. A store that refuses does not fail the training."""
    taken_note(grid.training(*key).stamp).unlink(missing_ok=True)
    if grid.study.store is None:
        return
    try:
        put = give(grid, open_shelf(grid.study.store), key)
    except StoreError as error:
        say(f"{error}; not in the store: `xstilts store push` puts it there later")
    else:
        say(f"{'put into' if put else 'already in'} the store {grid.study.store}")
