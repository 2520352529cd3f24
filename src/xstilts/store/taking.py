"""Taking: every checkpoint that is missing here and that a store has is put in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from xstilts.errors import DamagedEntry, StoreError
from xstilts.provenance import digests
from xstilts.store.entry import Entry, input_key, training_name
from xstilts.store.here import Here
from xstilts.store.shelf import entries
from xstilts.store.taken import note_some_taken, note_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xstilts.grid.artefacts import Grid, Stage
    from xstilts.grid.keys import Key
    from xstilts.store.shelf import Shelf

    Say = Callable[[str], None]


@dataclass
class Taken:
    """What a look into the store gave."""

    trainings: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    missing: int = 0
    damaged: list[str] = field(default_factory=list)
    bytes: int = 0
    stamps: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for the user."""
        line = f"{len(self.trainings)} trainings"
        if self.inputs:
            line += f" and {len(self.inputs)} of their inputs"
        return f"{line} ({self.bytes / 1e9:.2f} GB)"


def take(
    grid: Grid,
    shelf: Shelf,
    say: Say = print,
    *,
    only: Iterable[Key] | None = None,
    dry: bool = False,
) -> Taken:
    """Put every checkpoint of a grid in its place that is missing here and that the store has.

    ``dry`` looks, and changes nothing. A damaged entry is set aside and counts as missing. A stamp
    that is here is left alone if it is current, and replaced by the store's if it is of another
    spec. Raises `StoreError` where the store cannot be reached.
    """
    here, result = Here(), Taken()
    there = shelf.specs() if only is None else None
    for key in grid.trainings() if only is None else only:
        stage, inputs = grid.training(*key), grid.training_inputs(*key)
        if here.is_current(stage, inputs):
            continue
        if there is not None and stage.digest not in there:
            result.missing += 1
            continue
        for entry in _fitting(shelf, stage, inputs, here):
            wanted = _along(shelf, entry, inputs, here, grid.encoder_sources(key[0]))
            if wanted is None:
                continue
            try:
                for along, of in wanted:
                    _place(shelf, along, of.stamp, dry)
                    here.put(of, along.files[along.stamp].sha256)
                    result.inputs.append(str(of.stamp))
                    result.stamps.append(of.stamp)
                    result.bytes += along.size
                _place(shelf, entry, stage.stamp, dry)
            except DamagedEntry as error:
                result.damaged.append(str(error))
                say(f"store: {error}; set aside: {shelf.set_aside(error.key)}")
                continue
            here.put(stage, entry.files[entry.stamp].sha256)
            result.trainings.append(training_name(key))
            result.stamps.append(stage.stamp)
            result.bytes += entry.size
            break
        else:
            result.missing += 1
    if result.trainings and not dry:
        note_some_taken(grid)
    return result


def _fitting(shelf: Shelf, stage: Stage, inputs: list[Stage], here: Here) -> list[Entry]:
    """Entries of a spec that were made of the inputs that are here, as far as they are here.

    The checkpoint that a training starts from must be here: what is trained in this run has bytes
    that nobody knows yet.
    """
    if any(of.spec["stage"] == "training" and here.sha256(of) is None for of in inputs):
        return []
    known = here.known(inputs)
    return [
        entry
        for _, entry in entries(shelf, f"checkpoints/{stage.digest}/")
        if isinstance(entry, Entry)  # `xstilts store verify` sets others aside
        and entry.spec == stage.digest
        and entry.stamp == stage.stamp.name
        and known <= set(entry.inputs.values())
    ]


def _along(
    shelf: Shelf, entry: Entry, inputs: list[Stage], here: Here, sources: list[Path]
) -> list[tuple[Entry, Stage]] | None:
    """The inputs that are not here, from the store; None where it does not have them all.

    ``sources`` are the files of an encoder that is a folder on disk, which its spec does not pin.
    """
    missing = {(of.digest, of.stamp.name): of for of in inputs if here.sha256(of) is None}
    wanted = []
    for sha in sorted(set(entry.inputs.values()) - here.known(inputs)):
        try:
            along = shelf.entry(input_key(sha))
        except DamagedEntry:
            return None
        of = missing.pop((along.spec, along.stamp), None) if along else None
        if along is None or of is None:
            return None
        if of.spec["stage"] == "encoder" and not _has_these(along, sources):
            return None
        wanted.append((along, of))
    return None if missing else wanted


def _has_these(entry: Entry, sources: list[Path]) -> bool:
    """Whether an entry's files are, byte for byte, these files."""
    return all(
        path.is_file()
        and path.name in entry.files
        and digests.file_sha256(path) == entry.files[path.name].sha256
        for path in sources
    )


def _place(shelf: Shelf, entry: Entry, stamp: Path, dry: bool) -> None:
    """Fetch, verify and move an entry's files to a stamp's folder: the stamp last.

    Raises `DamagedEntry` before anything is replaced.
    """
    if dry:
        return
    folder = stamp.parent
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in entry.files if name != entry.stamp]
    temporary = {n: folder / f".{n}.{uuid4().hex}.tmp" for n in [*names, entry.stamp]}
    try:
        for name, path in temporary.items():
            shelf.fetch(entry, name, path)
            if digests.file_sha256(path) != entry.files[name].sha256:
                raise DamagedEntry(entry.key, f"the bytes of {name} are not the recorded ones")
        entry.check_stamp(temporary[entry.stamp])
        stamp.unlink(missing_ok=True)  # of another spec: it must not vouch for the new files
        for name in names:
            temporary[name].replace(folder / name)
        note_taken(entry, stamp, shelf.place)
        os.utime(temporary[entry.stamp])  # newer than all that it is made of
        temporary[entry.stamp].replace(stamp)
    except OSError as error:
        raise StoreError(f"store {shelf.place}: {entry.key}: {error}") from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    shelf.touch(entry.key)
