"""Snapshots: the copy of a study that a run's jobs work from, whatever is edited meanwhile.

A job rebuilds its artefact from the snapshot and refuses to work if the code that it would run is
not the code that the snapshot names.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.catalogue import Catalogue
from xstilts.config.claims import Claims
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.languages import Language
from xstilts.config.resolve import resolve
from xstilts.config.task_card import TaskCard
from xstilts.errors import LineageError
from xstilts.grid.artefacts import Grid
from xstilts.provenance.digests import digest
from xstilts.provenance.files import read_bytes, read_json, write_json, write_text
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from xstilts.grid.paths import Paths

LATEST = "latest"
"""A file beside the snapshots: the name of the one that the last run worked from."""


def as_json(grid: Grid) -> dict[str, Any]:
    """All that decides a grid, as JSON: study, cards, code, environment, local encoders."""
    return {
        "study": grid.study_as_json(),
        **grid.cards_as_json(),
        "claims": grid.claims_as_json(),
        "config": str(grid.cards.folder),
        "environment": grid.environment,
        "sources": {name: dict(files) for name, files in sorted(grid.sources.items())},
        "code": [[list(entries), code] for entries, code in sorted(grid.all_code().items())],
    }


def snapshot_path(grid: Grid) -> Path:
    """Where the snapshot of a grid lies: its name is the digest of its content."""
    return _path_of(grid, as_json(grid))


def _path_of(grid: Grid, content: dict[str, Any]) -> Path:
    return grid.paths.snapshots / f"{digest(content)}.json"


def save_snapshot(grid: Grid) -> Path:
    """Write the snapshot of a grid, and note that it is the latest; return its path."""
    content = as_json(grid)
    path = _path_of(grid, content)
    if not path.exists():
        write_json(path, content)
    latest = path.with_name(LATEST)
    if not latest.exists() or latest.read_text(encoding="utf-8").strip() != path.name:
        write_text(latest, f"{path.name}\n")
    return path


def latest_snapshot(results: Path) -> Path | None:
    """The snapshot that the last run of the study in this folder worked from, if there was one."""
    try:
        name = read_bytes(results / ".snapshots" / LATEST).decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return results / ".snapshots" / Path(name).name


def load_snapshot(path: Path, paths: Paths | None = None) -> Grid:
    """Rebuild a grid from its snapshot, with the code digests of that time.

    ``paths``: where its artefacts lie now, if not where the study says.

    Raises `LineageError` if the file cannot be read or was edited.
    """
    content = read_json(path)
    if digest(content) != path.stem:
        raise LineageError(
            f"{path}: was edited (its name is the digest of its content); start snakemake again"
        )
    try:
        resolved = resolve(content["study"], str(path), _SnapshotCatalogue(content))
        code = {tuple(entries): digest for entries, digest in content["code"]}
        return Grid(resolved, content["environment"], content["sources"], code, paths)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LineageError(
            f"{path}: is not a snapshot of this version ({error!r:.100}); start snakemake again"
        ) from error


class _SnapshotCatalogue(Catalogue):
    """Cards out of a snapshot: later edits of the card files do not reach a running study."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(Path(content["config"]), SCHEMAS)
        self._content = content

    def of(self, folder: str) -> Catalogue:
        """This catalogue: the snapshot holds the cards of the study."""
        return self

    @property
    def tasks(self) -> list[str]:
        return sorted(self._content["tasks"])

    @property
    def encoders(self) -> list[str]:
        return sorted(self._content["encoders"])

    def claims(self, path: Path | None = None) -> Claims:
        """The claims of the study, which were checked before it started."""
        return Claims.model_validate(self._content.get("claims", {}))  # older ones have none

    def languages(self) -> dict[str, Language]:
        return {code: Language(**row) for code, row in self._content["languages"].items()}

    def pretraining_families(self) -> list[str]:
        """Those that the encoders name: they were checked before the snapshot was written."""
        families = (self.encoder(name).pretraining for name in self.encoders)
        return [family for family in families if family]

    def _task(self, name: str) -> TaskCard:
        return TaskCard.model_validate(self._content["tasks"][name])

    def _encoder(self, name: str) -> EncoderCard:
        return EncoderCard.model_validate(self._content["encoders"][name])
