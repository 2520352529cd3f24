"""Open the grid of a study: read its cards, the lock file, and encoders that are local folders."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.catalogue import Catalogue
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.config.resolve import resolve
from xstilts.data.reading import source_problems
from xstilts.grid.artefacts import Grid
from xstilts.provenance.digests import digest, file_sha256
from xstilts.provenance.files import read_json_object, write_json
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from xstilts.config.resolve import ResolvedStudy


def open_grid(config: dict[str, Any], where: str, cards: Path, lock: Path) -> Grid:
    """Validate a study and lay out its grid.

    ``where`` names the study in errors. Raises `StudyError` with a line for each problem.
    """
    resolved = resolve(config, where, Catalogue(cards, SCHEMAS, source_problems))
    return Grid(resolved, file_sha256(lock), local_encoders(resolved))


def local_encoders(resolved: ResolvedStudy) -> dict[str, dict[str, str]]:
    """The sha256 of the files of every encoder that is a folder on disk, by encoder and file.

    Such a folder can change under its name, so its content is a part of the encoder's identity. A
    folder that does not exist has no files; fetching it raises the error.
    """
    found = {}
    for name in resolved.study.encoders:
        card = resolved.cards.encoder(name)
        if card.folder is not None:
            files = (Path(card.folder).expanduser() / file for file in (*ENCODER_FILES, *card.code))
            found[name] = {file.name: _remembered_sha256(file) for file in files if file.is_file()}
    return found


_LARGE = 32 * 2**20


def _remembered_sha256(file: Path) -> str:
    """The sha256 of a file; of a large one it is remembered as long as size, place and times hold.

    Every command of a study would read gigabytes otherwise. The memory lies in the user's cache,
    not beside the file. It decides only what is asked for: the job that fetches the encoder hashes
    what it copies (`xstilts.models.encoder.fetch`).
    """
    status = file.stat()
    if status.st_size < _LARGE:
        return file_sha256(file)
    known = {
        "device": status.st_dev,
        "inode": status.st_ino,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
    note = _note(file)
    remembered = read_json_object(note)
    if remembered.get("file") == known and isinstance(remembered.get("sha256"), str):
        return str(remembered["sha256"])
    sha256 = file_sha256(file)
    with suppress(OSError):
        write_json(note, {"file": known, "sha256": sha256})
    return sha256


def _note(file: Path) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "xstilts" / "sha256" / f"{digest(str(file.absolute()))[:32]}.json"
