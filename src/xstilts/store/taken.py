"""What was taken from a store: noted beside it, and told to Snakemake, which has not made it."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

from xstilts.errors import LineageError
from xstilts.provenance import digests, files
from xstilts.store.entry import now
from xstilts.store.here import Here

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.store.entry import Entry

_SOME_TAKEN = ".some-are-taken"
"""In a folder of results or resources: something in it was taken from a store, at some time."""


def taken_note(stamp: Path) -> Path:
    """The note beside a taken artefact that says where it was taken from."""
    return stamp.with_name(f"{stamp.stem}.taken.json")


def note_taken(entry: Entry, stamp: Path, place: str) -> None:
    """Note beside an artefact, before its stamp is put there, which entry of a store it is."""
    note = {
        "stamp": entry.files[entry.stamp].sha256,
        "from": place,
        "entry": entry.key,
        "taken": now(),
        "host": platform.node(),
    }
    files.write_json(taken_note(stamp), note)


def note_some_taken(grid: Grid) -> None:
    """Note that something was taken, so that runs that took nothing need not look for it."""
    for folder in (grid.results, grid.resources):
        (folder / _SOME_TAKEN).touch()


def settle(grid: Grid, dry: bool) -> int:
    """Tell Snakemake, which has no record of taken artefacts, what has become of them.

    A taken checkpoint that is current is made newer than its inputs; one that the study no longer
    asks for gets a time before all others, so that it is made anew. Its inputs have no inputs to be
    older than: a taken one that is no longer asked for is deleted, as the store still has it.
    Returns how many are no longer what the study asks for.
    """
    if not any((folder / _SOME_TAKEN).exists() for folder in (grid.results, grid.resources)):
        return 0
    stale, here, seen = 0, Here(), set()
    for key in grid.trainings():
        stage, inputs = grid.training(*key), grid.training_inputs(*key)
        for source in inputs:
            if source.spec["stage"] == "training":
                continue
            if source.stamp not in seen and _was_taken(source.stamp):
                seen.add(source.stamp)
                if here.sha256(source) is None:
                    stale += 1
                    if not dry:
                        source.stamp.unlink(missing_ok=True)
        if not _was_taken(stage.stamp):
            continue
        if here.is_current(stage, inputs):
            times = [s.stamp.stat().st_mtime for s in inputs if s.stamp.exists()]
            if stage.stamp.stat().st_mtime < max(times, default=0.0):
                newest = max([time.time(), *times])
                os.utime(stage.stamp, (newest, newest))
        else:
            stale += 1
            os.utime(stage.stamp, (1, 1))
    return stale


def _was_taken(stamp: Path) -> bool:
    """Whether the stamp that is there is the one that was taken."""
    note = taken_note(stamp)
    if not (note.is_file() and stamp.is_file()):
        return False
    try:
        return bool(files.read_json(note)["stamp"] == digests.file_sha256(stamp))
    except (LineageError, KeyError, TypeError):
        return False
