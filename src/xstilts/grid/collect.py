"""Which shared artefacts no study needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.errors import LineageError, UsageError
from xstilts.grid.snapshot import latest_snapshot, load_snapshot
from xstilts.provenance.files import read_json_object
from xstilts.runtime.lock import LOCK_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("encoders/*", "examples/*", "checkpoints/*/*")
"""Where shared artefacts lie below ``resources/``, a folder each."""


@dataclass(frozen=True)
class Unneeded:
    """A folder of an artefact that no study needs, with its size in bytes."""

    folder: Path
    size: int


def studies_in(results: Iterable[Path]) -> list[Path]:
    """The snapshots of the studies under some results folders: the latest, and those of live runs.

    Raises `UsageError` if there is no study: then everything would seem unneeded.
    """
    snapshots = []
    for folder in results:
        for study in sorted(path.parent for path in folder.glob("*/.snapshots")):
            latest = latest_snapshot(study)
            live = [read_json_object(run).get("snapshot") for run in study.glob(".runs/*/run.json")]
            snapshots += [path for path in (latest, *map(_path, live)) if path and path.is_file()]
    if not snapshots:
        places = ", ".join(map(str, results))
        raise UsageError(f"{places}: holds no study that was run; name the results folders")
    return list(dict.fromkeys(snapshots))


def unneeded(snapshots: Iterable[Path], resources: Path | None = None) -> list[Unneeded]:
    """The artefacts below the studies' ``resources`` that none of these studies needs.

    ``resources`` names another folder than the studies do (they were run elsewhere). A snapshot
    that cannot be read raises `LineageError`: what it needs is not known.
    """
    needed: set[Path] = set()
    folders: set[Path] = set()
    for snapshot in snapshots:
        grid = load_snapshot(snapshot)
        base = grid.paths.resources
        folders.add(resources or base)
        for artefact in grid.artefacts():
            needed.add(((resources or base) / artefact.folder.relative_to(base)).resolve())
    found = []
    for folder in sorted(folders):
        for kind in KINDS:
            for path in sorted(folder.glob(kind)):
                locked = (path / LOCK_FILE).exists()  # a job of some study works on it
                if path.is_dir() and not locked and path.resolve() not in needed:
                    found.append(Unneeded(path, _size(path)))
    return found


def _path(value: object) -> Path | None:
    return Path(value) if isinstance(value, str) and "\0" not in value else None


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError as error:  # a job is writing there
        raise LineageError(f"{folder}: cannot be read ({error.strerror})") from error
