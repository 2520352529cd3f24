"""The shared store: checkpoints that somebody has already made are taken instead of trained.

Keyed by spec digest, and below it by the digests of the inputs' stamps: a spec says how an encoder
and examples are made, not which bytes a download gave, so a checkpoint is only taken where it was
made of the very inputs that are here. Where an input is not here yet it is taken along. Everything
is verified by sha256 before it is put in place, the stamp last.

    <store>/checkpoints/<spec digest>/<digest of the inputs>/   stamp, weights, run record, curve
    <store>/inputs/<sha256 of the stamp>/                       encoders and training examples
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xstilts import lineage
from xstilts.errors import DamagedEntry, LineageError, StoreError
from xstilts.shelves import Entry, described, entries, open_shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xstilts.grid import Grid, Stage
    from xstilts.shelves import Shelf

    Say = Callable[[str], None]
    Key = tuple[str, str, int, str]

_ALSO = ("run.json", "log.jsonl")
"""What a training leaves beside its stamp and is worth keeping: what happened, and its curve."""


_SOME_TAKEN = ".some-are-taken"
"""In a folder of results or resources: something in it was taken from a store, at some time."""


def taken_note(stamp: Path) -> Path:
    """The note beside a taken artefact that says where it was taken from."""
    return stamp.with_name(f"{stamp.stem}.taken.json")


def _name(key: Key) -> str:
    encoder, condition, seed, stage = key
    return f"{encoder} {condition}/seed{seed}/{stage}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- what is here --------------------------------------------------------------------------------


class Here:
    """The stamps of a grid's trainings and of their inputs, each read once."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._read: dict[Path, tuple[str, dict[str, Any]] | None] = {}

    def sha256(self, stage: Stage) -> str | None:
        """The sha256 of a stage's stamp; None where there is none, or it is of another spec."""
        found = self._stamp(stage.stamp)
        return found[0] if found and found[1].get("spec") == stage.digest else None

    def is_current(self, training: Stage, inputs: list[Stage]) -> bool:
        """Whether a checkpoint is there, of this spec and of the inputs that are here."""
        found = self._stamp(training.stamp)
        if found is None or found[1].get("spec") != training.digest:
            return False
        return self.known(inputs) <= set(found[1].get("inputs", {}).values())

    def known(self, inputs: list[Stage]) -> set[str]:
        """The sha256 of the inputs that are here."""
        return {sha for stage in inputs if (sha := self.sha256(stage)) is not None}

    def put(self, stage: Stage, sha256: str) -> None:
        """Take it as known that a stage's stamp is there, with this sha256."""
        self._read[stage.stamp] = (sha256, {"spec": stage.digest})

    def _stamp(self, path: Path) -> tuple[str, dict[str, Any]] | None:
        if path not in self._read:
            found = None
            if path.is_file():
                try:
                    stamp = lineage.read_json(path)
                    found = (lineage.file_sha256(path), stamp) if isinstance(stamp, dict) else None
                except LineageError:
                    pass
            self._read[path] = found
        return self._read[path]


# --- taking --------------------------------------------------------------------------------------


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
            result.trainings.append(_name(key))
            result.stamps.append(stage.stamp)
            result.bytes += entry.size
            break
        else:
            result.missing += 1
    if result.trainings and not dry:
        for folder in (grid.results, grid.resources):
            (folder / _SOME_TAKEN).touch()
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
            along = shelf.entry(_input_key(sha))
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
        and lineage.file_sha256(path) == entry.files[path.name].sha256
        for path in sources
    )


def _input_key(sha256: str) -> str:
    return f"inputs/{sha256}"


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
            if lineage.file_sha256(path) != entry.files[name].sha256:
                raise DamagedEntry(entry.key, f"the bytes of {name} are not the recorded ones")
        _check_stamp(entry, temporary[entry.stamp])
        stamp.unlink(missing_ok=True)  # of another spec: it must not vouch for the new files
        for name in names:
            temporary[name].replace(folder / name)
        note = {
            "stamp": entry.files[entry.stamp].sha256,
            "from": shelf.place,
            "entry": entry.key,
            "taken": _now(),
            "host": platform.node(),
        }
        lineage.write_json(taken_note(stamp), note)
        os.utime(temporary[entry.stamp])  # newer than all that it is made of
        temporary[entry.stamp].replace(stamp)
    except OSError as error:
        raise StoreError(f"store {shelf.place}: {entry.key}: {error}") from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    shelf.touch(entry.key)


def _check_stamp(entry: Entry, path: Path) -> None:
    """The stamp itself must be of the entry's spec and list the entry's files."""
    try:
        stamp = lineage.read_json(path)
        listed = {name: file["sha256"] for name, file in stamp["files"].items()}
        agrees = stamp["spec"] == entry.spec and stamp["inputs"] == entry.inputs
        agrees &= all(entry.files[name].sha256 == sha for name, sha in listed.items())
    except (LineageError, KeyError, TypeError, AttributeError):
        agrees = False
    if not agrees:
        raise DamagedEntry(entry.key, f"{entry.stamp} is not the stamp of this entry")


# --- before the DAG is built ---------------------------------------------------------------------


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
        return bool(lineage.read_json(note)["stamp"] == lineage.file_sha256(stamp))
    except (LineageError, KeyError, TypeError):
        return False


# --- giving --------------------------------------------------------------------------------------


def give(grid: Grid, shelf: Shelf, key: Key) -> bool:
    """Add a checkpoint that is here to the store, and what it was trained from.

    False where the store has it already. Raises `LineageError` for a checkpoint that is not whole
    or not of the study's spec, `StoreError` where the store cannot be written.
    """
    stage, inputs = grid.training(*key), grid.training_inputs(*key)
    stamp = lineage.verify(stage.stamp)
    if stamp["spec"] != stage.digest:
        raise LineageError(f"{stage.stamp}: is of another spec than the study asks for")
    entry_key = f"checkpoints/{stage.digest}/{lineage.digest(stamp['inputs'])}"
    made_of = set(stamp["inputs"].values())
    for source in inputs:
        sha = lineage.file_sha256(source.stamp) if source.stamp.is_file() else ""
        if sha not in made_of:
            raise LineageError(
                f"{stage.stamp}: was trained from another {source.stamp} than there is now"
            )
        if source.spec["stage"] != "training" and shelf.entry(_input_key(sha)) is None:
            what = str(source.stamp.parent.relative_to(grid.resources))
            _put(shelf, _input_key(sha), source.stamp, {"what": what})
    folder = stage.stamp.parent
    also = {name: folder / name for name in _ALSO if (folder / name).is_file()}
    about = {"what": _name(key), "study": grid.study.study, **_of_run(folder / "run.json")}
    return _put(shelf, entry_key, stage.stamp, about, also)


def _put(
    shelf: Shelf,
    key: str,
    stamp_path: Path,
    about: dict[str, Any],
    also: dict[str, Path] | None = None,
) -> bool:
    stamp = lineage.verify(stamp_path)
    sources = {name: stamp_path.parent / name for name in stamp["files"]}
    sources |= (also or {}) | {stamp_path.name: stamp_path}
    facts = stamp.get("facts", {})
    about |= {k: facts[k] for k in ("device", "precision", "rows", "steps") if k in facts}
    entry = Entry(
        key=key,
        spec=stamp["spec"],
        stamp=stamp_path.name,
        inputs=stamp["inputs"],
        files=described(sources),
        about=about | {"put": _now(), "host": platform.node()},
    )
    return shelf.put(entry, sources)


def _of_run(path: Path) -> dict[str, Any]:
    try:
        run = lineage.read_json(path)
        return {"seconds": run["seconds"], "started": run["started"]}
    except (LineageError, KeyError, TypeError):
        return {}


# --- keeping house -------------------------------------------------------------------------------


def damage(shelf: Shelf, entry: Entry, scratch: Path) -> str | None:
    """What is wrong with an entry's bytes; None if nothing is. Reads all of it."""
    for name, kept in entry.files.items():
        path = scratch / uuid4().hex
        try:
            shelf.fetch(entry, name, path)
            if lineage.file_sha256(path) != kept.sha256:
                return f"{entry.key}: the bytes of {name} are not the recorded ones"
            if name == entry.stamp:
                _check_stamp(entry, path)
        except DamagedEntry as error:
            return str(error)
        finally:
            path.unlink(missing_ok=True)
    return None


@dataclass(frozen=True)
class Freed:
    """What a collection took out."""

    entries: tuple[str, ...]
    bytes: int
    left: int


def collect(
    shelf: Shelf,
    *,
    max_bytes: int | None = None,
    older_than: float | None = None,
    dry: bool = False,
    now: float | None = None,
) -> Freed:
    """Remove what was not used for ``older_than`` seconds, then the least recently used entries
    until the rest is at most ``max_bytes``; inputs go when no checkpoint is left that names them.

    Files that are hard links of a study's are counted in full: they free the disk when the study's
    go as well.
    """
    now = time.time() if now is None else now
    there = {k: e for k, e in entries(shelf) if isinstance(e, Entry)}
    used = {key: shelf.last_used(key) for key in there}
    inputs = {key for key in there if key.startswith("inputs/")}
    queue = sorted((key for key in there if key not in inputs), key=lambda k: (used[k], k))
    kept, gone = set(queue), list[str]()

    def size() -> int:
        named = {_input_key(sha) for key in kept for sha in there[key].inputs.values()}
        return sum(there[key].size for key in kept | (inputs & named))

    for key in queue:
        old = older_than is not None and now - used[key] >= older_than
        if old or (max_bytes is not None and size() > max_bytes):
            kept.discard(key)
            gone.append(key)
    named = {_input_key(sha) for key in kept for sha in there[key].inputs.values()}
    # an input that was just put belongs to a checkpoint that is being put
    gone += sorted(key for key in inputs - named if now - used[key] >= min(older_than or 0, 3600))
    if not dry:
        for key in gone:
            shelf.remove(key)
        shelf.sweep(24 * 3600)
    freed = sum(there[key].size for key in gone)
    return Freed(tuple(gone), freed, sum(e.size for e in there.values()) - freed)


# --- a run ---------------------------------------------------------------------------------------


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


# --- the command ---------------------------------------------------------------------------------


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
    from tempfile import TemporaryDirectory

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
            print(f"put: {_name(key)}")
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
