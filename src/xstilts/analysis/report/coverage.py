"""How many scores a study plans and how many exist, by encoder and condition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from xstilts.analysis.table import MissingScores
    from xstilts.grid.artefacts import Grid


class CoverageRow(NamedTuple):
    """The scores of an encoder and condition."""

    encoder: str
    condition: str
    seeds: list[int]
    planned: int
    done: int
    stale: int
    """On disk, but not as the study asks for them now."""


@dataclass(frozen=True)
class Coverage:
    """The scores of a study: planned, done and missing."""

    rows: list[CoverageRow]
    missing: Sequence[MissingScores]

    @property
    def planned(self) -> int:
        """Scores that the study asks for."""
        return sum(row.planned for row in self.rows)

    @property
    def done(self) -> int:
        """Scores that are there."""
        return sum(row.done for row in self.rows)

    @property
    def stale(self) -> int:
        """Scores that are on disk, but not as the study asks for them now."""
        return sum(row.stale for row in self.rows)


def coverage_of(grid: Grid, table: pd.DataFrame, missing: Sequence[MissingScores]) -> Coverage:
    """The coverage of a table of the grid's scores; ``missing`` names those that it lacks."""
    done = Counter(zip(table["encoder"], table["condition"], strict=True))
    planned: Counter[tuple[str, str]] = Counter()
    seeds: dict[tuple[str, str], dict[int, None]] = {}
    for key in grid.reads.evaluations():
        place = (key.encoder, key.condition)
        planned[place] += len(grid.resolved.languages[key.target])
        seeds.setdefault(place, {})[key.seed] = None
    stale: Counter[tuple[str, str]] = Counter()
    for lacking in missing:
        stale[lacking.key.encoder, lacking.key.condition] += lacking.stale
    rows = [
        CoverageRow(*place, list(seeds[place]), planned[place], done[place], stale[place])
        for place in planned
    ]
    return Coverage(rows, missing)
