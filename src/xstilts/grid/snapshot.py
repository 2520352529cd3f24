"""Frozen copies: what a run's jobs work from, whatever is edited meanwhile.

Jobs rebuild their stage from the copy and refuse to work when the code that they would run is not
the code that was frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xstilts.config.catalogue import Catalogue
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.languages import Language
from xstilts.config.resolve import resolve
from xstilts.config.task_card import TaskCard
from xstilts.errors import LineageError
from xstilts.grid.artefacts import Grid
from xstilts.provenance import digests, files
from xstilts.tasks.registry import SCHEMAS


def frozen(grid: Grid) -> dict[str, Any]:
    """All that decides a grid, as JSON: study, cards, code and environment."""
    return {
        "study": grid.study_says(),
        **grid.cards_say(),
        "config": str(grid.cards.folder),
        "environment": grid.environment,
        "code": [[list(entries), digest] for entries, digest in sorted(grid.all_code().items())],
    }


def frozen_path(grid: Grid) -> Path:
    """Where the frozen copy of a grid lies: its name is the digest of what it says."""
    return _path(grid, frozen(grid))


def _path(grid: Grid, says: dict[str, Any]) -> Path:
    return grid.results / ".frozen" / f"{digests.digest(says)}.json"


def freeze(grid: Grid) -> Path:
    """Write the frozen copy that a run's jobs will work from, if it is not there; where it is."""
    says = frozen(grid)
    path = _path(grid, says)
    if not path.exists():
        files.write_json(path, says)
    return path


def thaw(path: Path) -> Grid:
    """Rebuild a grid from its frozen copy, with the code digests of that time."""
    says = files.read_json(path)
    if digests.digest(says) != path.stem:
        raise LineageError(f"{path}: was edited: its name is no longer the digest of its text")
    resolved = resolve(says["study"], str(path), _FrozenCatalogue(says))
    code = {tuple(entries): digest for entries, digest in says["code"]}
    return Grid(resolved, says["environment"], code)


class _FrozenCatalogue(Catalogue):
    """Cards out of a frozen copy: later edits of the card files do not reach a running study."""

    def __init__(self, frozen: dict[str, Any]) -> None:
        super().__init__(Path(frozen["config"]), SCHEMAS)
        self._frozen = frozen

    def of(self, folder: str) -> Catalogue:
        """These very cards: they were the study's own when they were frozen."""
        return self

    @property
    def tasks(self) -> list[str]:
        return sorted(self._frozen["tasks"])

    @property
    def encoders(self) -> list[str]:
        return sorted(self._frozen["encoders"])

    def languages(self) -> dict[str, Language]:
        return {code: Language(**says) for code, says in self._frozen["languages"].items()}

    def _task(self, name: str) -> TaskCard:
        return TaskCard.model_validate(self._frozen["tasks"][name])

    def _encoder(self, name: str) -> EncoderCard:
        return EncoderCard.model_validate(self._frozen["encoders"][name])
