"""Open the grid of a study: read its cards, the lock file, and encoders that are local folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.catalogue import Catalogue
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.config.resolve import resolve
from xstilts.data.reading import source_problems
from xstilts.grid.artefacts import Grid
from xstilts.provenance.digests import digest, file_sha256
from xstilts.provenance.stamp import known_sha256
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
        folder = resolved.cards.encoder(name).folder
        if folder is not None:
            files = (Path(folder).expanduser() / file for file in ENCODER_FILES)
            found[name] = {
                file.name: known_sha256(file, _note(file)) for file in files if file.is_file()
            }
    return found


def _note(file: Path) -> Path:
    """Where the sha256 of a large file is kept: in the user's cache, not beside the user's file."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "xstilts" / "sha256" / f"{digest(str(file.absolute()))[:32]}.json"
