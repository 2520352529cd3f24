"""Gaps: which cells are there as the grid would compute them, and which must be made (again).

Snakemake sees files, and a file of cells holds many. This looks inside: for a language that was
added, a line that was cut off, a cell of other code, of another checkpoint or other examples, an
archive of predictions that is lost or short. It compares what the cells say with what the grid and
the present stamps say, so it finds them also where Snakemake's own records are gone. It reads each
file of cells once, and no predictions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.evaluation.scores import Cell
    from xstilts.grid.artefacts import Grid

State = Literal["done", "stale", "missing"]
"""``stale``: there, but not what the study asks for now, or its predictions may be lost."""


class Gaps:
    """Which cells of a grid are there, and which evaluations must run though their file is.

    An input that is not there (deleted to save space) is not compared: what was made of it stands.
    """

    def __init__(self, grid: Grid, stamps: StampReader | None = None) -> None:
        """Read nothing yet. ``stamps``: those that were read already."""
        self.grid = grid
        self._stamps = StampReader() if stamps is None else stamps
        self.has = cache(self._has)  # a run sees one and the same state
        self._examples = cache(self._digests_of_examples)

    def files(self) -> list[Path]:
        """The files of cells that exist and do not hold every cell as the grid would compute it."""
        return [self.grid.cells(*key) for key in self.grid.evaluations() if self.has(*key)]

    def _has(self, encoder: str, condition: str, seed: int, target: str) -> bool:
        """Whether an evaluation's file is there and lacks something."""
        key = (encoder, condition, seed, target)
        if not self.grid.cells(*key).exists():
            return False  # that much Snakemake sees
        return set(self.states(*key).values()) != {"done"}

    def states(self, encoder: str, condition: str, seed: int, target: str) -> dict[str, State]:
        """The state of each cell of an evaluation, by language."""
        key = (encoder, condition, seed, target)
        path, spec = self.grid.cells(*key), self.grid.evaluation(*key).digest
        checkpoint = _there(checkpoint=self._stamps.sha256(self.grid.evaluated(*key)))
        found = _read(path)
        states = {
            language: _state(found.get(language), spec, checkpoint | inputs)
            for language, inputs in self._examples(target).items()
        }
        if "done" in states.values() and not _archive_is_long_enough(path, found):
            return {code: "stale" if s == "done" else s for code, s in states.items()}
        return states

    def _digests_of_examples(self, target: str) -> dict[str, dict[str, str]]:
        return {
            language: _there(
                **{
                    role: self._stamps.sha256(stamp)
                    for role, stamp in self.grid.cell_examples(target, language).items()
                }
            )
            for language in self.grid.resolved.languages[target]
        }


def _there(**inputs: str | None) -> dict[str, str]:
    return {role: sha256 for role, sha256 in inputs.items() if sha256 is not None}


def _read(path: Path) -> dict[str, Cell]:
    """The cells of a file. One that cannot be read has none: its evaluation will say why."""
    try:
        return scores.read(path)
    except LineageError:
        return {}


def _state(cell: Cell | None, spec: str, inputs: dict[str, str]) -> State:
    if cell is None:
        return "missing"
    given = cell.get("inputs")
    if cell.get("spec") != spec or not isinstance(given, dict):
        return "stale"
    return "done" if given | inputs == given else "stale"


def _archive_is_long_enough(path: Path, there: dict[str, Cell]) -> bool:
    try:
        return scores.archive(path).stat().st_size >= scores.archive_size(there.values())
    except (OSError, KeyError, TypeError):
        return False
