"""From the table of scores to the arrays that a question needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from xstilts.analysis.statistics.contrast import Runs
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray


class Unit(NamedTuple):
    """A language of a target."""

    target: str
    language: str


@dataclass(frozen=True)
class Scores:
    """The scores of an encoder in a condition, by unit and seed."""

    by_seed: dict[Unit, dict[int, float]]
    """In points; undefined scores are left out."""
    one_training: frozenset[str]
    """Targets whose scores of all seeds come from one checkpoint."""

    @cached_property
    def rows(self) -> dict[Unit, int]:
        """The row of each unit in `matrix`."""
        return {unit: row for row, unit in enumerate(self.by_seed)}

    @cached_property
    def seeds(self) -> NDArray[np.int64]:
        """The seed of each column of `matrix`, ascending."""
        seeds = {seed for of_unit in self.by_seed.values() for seed in of_unit}
        return np.array(sorted(seeds), dtype=np.int64)

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """`by_seed` with a row for each unit and a column for each seed; NaN where none is."""
        seeds = self.seeds.tolist()
        rows = [[found.get(seed, math.nan) for seed in seeds] for found in self.by_seed.values()]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(seeds))

    def of_seed(self, target: str, seed: int) -> list[float]:
        """The scores of a training in all languages of a target; empty if it has none."""
        return [
            scores[seed]
            for unit, scores in self.by_seed.items()
            if unit.target == target and seed in scores
        ]


@dataclass(frozen=True)
class Pair:
    """Two conditions on the units and seeds that are complete in both."""

    units: tuple[Unit, ...]
    condition: Runs
    baseline: Runs
    notes: tuple[str, ...]
    """What was left out, and why."""
    seeds: tuple[int, ...] = ()
    """Of the condition, in the order of its columns."""


class ScoreTable:
    """The scores of a grid by encoder, condition, unit and seed.

    ``table`` has the columns of `xstilts.analysis.table.COLUMNS`. ``untrained`` names the
    (encoder, condition, target) that are scored without any training: their seeds are one training
    even if there is only one. Raises `LineageError` if scores of a unit are over different numbers
    of test items.
    """

    def __init__(
        self, table: pd.DataFrame, untrained: Collection[tuple[str, str, str]] = ()
    ) -> None:
        self.table, self.untrained = table, frozenset(untrained)
        self._check_items()

    @cached_property
    def encoders(self) -> tuple[str, ...]:
        """In the order of the table."""
        return tuple(dict.fromkeys(self.table["encoder"]))

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """In the order of the table."""
        return tuple(dict.fromkeys(self.table["condition"]))

    @cached_property
    def languages(self) -> dict[str, tuple[str, ...]]:
        """The languages of each target, in the order of the table."""
        pairs = self.table[["target", "language"]].drop_duplicates()
        found: dict[str, list[str]] = {}
        for target, language in pairs.itertuples(index=False):
            found.setdefault(target, []).append(language)
        return {target: tuple(codes) for target, codes in found.items()}

    @cached_property
    def task_types(self) -> dict[str, str]:
        """The task type of each target."""
        pairs = self.table[["target", "task_type"]].drop_duplicates()
        return dict(pairs.itertuples(index=False))

    def scores(self, encoder: str, condition: str) -> Scores:
        """The scores of an encoder in a condition; empty if there are none."""
        return self._scores.get((encoder, condition), Scores({}, frozenset()))

    def items(self, encoder: str, units: Collection[Unit]) -> dict[Unit, int]:
        """The test items of each unit."""
        return {unit: self._items.get((encoder, *unit), 0) for unit in units}

    def pair(self, encoder: str, condition: str, against: str, units: Sequence[Unit]) -> Pair:
        """Two conditions on those of ``units`` and seeds that are complete.

        A unit without any score in one of the conditions is left out, then seeds that lack one of
        the other units; the notes say which.
        """
        first, second = self.scores(encoder, condition), self.scores(encoder, against)
        kept = tuple(unit for unit in units if unit in first.by_seed and unit in second.by_seed)
        notes = []
        for name, scores in ((condition, first), (against, second)):
            if lacking := [unit for unit in units if unit not in scores.by_seed]:
                notes.append(f"no score of {name}: {_listed(lacking)}")
        runs, seeds = [], []
        for name, scores in ((condition, first), (against, second)):
            of_condition, complete, left_out = _runs(scores, kept)
            if left_out:
                notes.append(f"incomplete seeds of {name}: {', '.join(map(str, left_out))}")
            runs.append(of_condition)
            seeds.append(complete)
        return Pair(kept, runs[0], runs[1], tuple(notes), seeds[0])

    @cached_property
    def _scores(self) -> dict[tuple[str, str], Scores]:
        found = {}
        for key, rows in self.table.groupby(["encoder", "condition"], sort=False, observed=True):
            encoder, condition = map(str, cast("tuple[str, str]", key))
            by_seed: dict[Unit, dict[int, float]] = {}
            specs: dict[str, dict[int, str]] = {}
            columns = ("target", "language", "seed", "score", "spec")
            for target, language, seed, score, spec in _tuples(rows, columns):
                specs.setdefault(target, {})[seed] = spec
                if not math.isnan(score):
                    by_seed.setdefault(Unit(target, language), {})[seed] = score
            one = {
                target
                for target, of_seeds in specs.items()
                if (encoder, condition, target) in self.untrained or _same(of_seeds.values())
            }
            found[encoder, condition] = Scores(by_seed, frozenset(one))
        return found

    @cached_property
    def _items(self) -> dict[tuple[str, str, str], int]:
        columns = ["encoder", "target", "language", "n"]
        items = _tuples(self.table[columns].drop_duplicates(columns[:3]), columns)
        return {(encoder, target, language): n for encoder, target, language, n in items}

    def _check_items(self) -> None:
        keys = ["encoder", "target", "language"]
        counts = self.table.groupby(keys, sort=False, observed=True)["n"].agg(["min", "max"])
        for key, row in counts[counts["min"] != counts["max"]].iterrows():
            where = ", ".join(cast("tuple[str, str, str]", key))
            raise LineageError(
                f"{where}: scored on {row['min']} test items here and "
                f"{row['max']} there; a gain needs the same test items: run snakemake to compute "
                "these scores again"
            )


def _tuples(rows: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of plain values; pandas' own iterators take ten times as long for strings."""
    return zip(*(rows[name].to_numpy(dtype=object) for name in columns), strict=True)


def _same(specs: Collection[str]) -> bool:
    """Whether several seeds were scored by one spec, which names the checkpoint."""
    return len(specs) > 1 and len(set(specs)) == 1 and all(specs)


def _runs(scores: Scores, units: Sequence[Unit]) -> tuple[Runs, tuple[int, ...], list[int]]:
    """The seeds with a score in every unit, their numbers, and the numbers of the other seeds."""
    values = scores.matrix[[scores.rows[unit] for unit in units]]
    known = ~np.isnan(values)
    complete, partly = known.all(axis=0), known.any(axis=0)
    one = bool(units) and all(unit.target in scores.one_training for unit in units)
    kept, left_out = complete & partly, partly & ~complete
    runs = Runs(values[:, kept], one)
    return runs, tuple(scores.seeds[kept].tolist()), scores.seeds[left_out].tolist()


def _listed(units: Sequence[Unit], most: int = 5) -> str:
    """``xnli sw, xnli ur and 3 more``."""
    named = ", ".join(f"{unit.target} {unit.language}" for unit in units[:most])
    return named + (f" and {len(units) - most} more" if len(units) > most else "")
