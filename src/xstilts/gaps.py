"""Gaps: evaluations whose file of cells is there, and which must run all the same.

Snakemake sees files, and a file of cells holds many. This looks inside: for a language that was
added or taken out, a line that was cut off, a cell of other code, of another checkpoint or other
examples, an archive of predictions that is lost or short. It compares what the cells say with what
the grid and the present stamps say, so it finds them also where Snakemake's own records are gone.
It reads each file of cells once, and no predictions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from xstilts import cells
from xstilts.lineage import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cells import Cell
    from xstilts.grid.stages import Grid


class Gaps:
    """Which evaluations of a grid must run though their file of cells exists.

    An input that is not there (deleted to save space) is not compared: what was made of it stands.
    """

    def __init__(self, grid: Grid) -> None:
        """Read nothing yet. Each file is looked at once: a run sees one and the same state."""
        self.grid = grid
        self.has = cache(self._has)
        self._sha256 = cache(_sha256)
        self._examples = cache(self._digests_of_examples)

    def files(self) -> list[Path]:
        """The files of cells that exist and do not hold every cell as the grid would compute it."""
        return [self.grid.cells(*key) for key in self.grid.evaluations() if self.has(*key)]

    def _has(self, encoder: str, condition: str, seed: int, target: str) -> bool:
        """Whether an evaluation's file is there and lacks something."""
        key = (encoder, condition, seed, target)
        path = self.grid.cells(*key)
        if not path.exists():
            return False  # that much Snakemake sees
        spec = self.grid.evaluation(*key).digest
        checkpoint = {"checkpoint": self._sha256(self.grid.evaluated(*key))}
        there = cells.read(path)
        whole = all(
            _is_of(there.get(language), spec, checkpoint | inputs)
            for language, inputs in self._examples(target).items()
        )
        return not (whole and _archive_is_long_enough(path, there))

    def _digests_of_examples(self, target: str) -> dict[str, dict[str, str | None]]:
        return {
            language: {
                role: _sha256(stamp)
                for role, stamp in self.grid.cell_examples(target, language).items()
            }
            for language in self.grid.resolved.languages[target]
        }


def _is_of(cell: Cell | None, spec: str, inputs: dict[str, str | None]) -> bool:
    if cell is None or cell.get("spec") != spec or not isinstance(cell.get("inputs"), dict):
        return False
    return all(cell["inputs"].get(role) == x for role, x in inputs.items() if x is not None)


def _sha256(stamp: Path) -> str | None:
    try:
        return file_sha256(stamp)
    except OSError:
        return None


def _archive_is_long_enough(path: Path, there: dict[str, Cell]) -> bool:
    try:
        return cells.archive(path).stat().st_size >= cells.archive_size(there.values())
    except (OSError, KeyError, TypeError):
        return False
