"""From the table of scores to the arrays that a question needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from xstilts.analysis.statistics.contrast import Runs
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd


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


@dataclass(frozen=True)
class Pair:
    """Two conditions on the units and seeds that are complete in both."""

    units: tuple[Unit, ...]
    condition: Runs
    baseline: Runs
    notes: tuple[str, ...]
    """What was left out, and why."""


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
        return dict(zip(self.table["target"], self.table["task_type"], strict=True))

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
        runs = []
        for name, scores in ((condition, first), (against, second)):
            seeds, left_out = _complete_seeds(scores, kept)
            if left_out:
                notes.append(f"incomplete seeds of {name}: {', '.join(map(str, left_out))}")
            runs.append(_runs(scores, kept, seeds))
        return Pair(kept, runs[0], runs[1], tuple(notes))

    @cached_property
    def _scores(self) -> dict[tuple[str, str], Scores]:
        found = {}
        for key, rows in self.table.groupby(["encoder", "condition"], sort=False, observed=True):
            encoder, condition = map(str, cast("tuple[str, str]", key))
            by_seed: dict[Unit, dict[int, float]] = {}
            specs: dict[str, dict[int, str]] = {}
            for target, language, seed, score, spec in zip(
                *(rows[name] for name in ("target", "language", "seed", "score", "spec")),
                strict=True,
            ):
                specs.setdefault(target, {})[seed] = spec
                if not np.isnan(score):
                    by_seed.setdefault(Unit(target, language), {})[seed] = score
            one = {
                target
                for target, of_seeds in specs.items()
                if (encoder, condition, target) in self.untrained
                or (
                    len(of_seeds) > 1
                    and len(set(of_seeds.values())) == 1
                    and all(of_seeds.values())
                )
            }
            found[encoder, condition] = Scores(by_seed, frozenset(one))
        return found

    @cached_property
    def _items(self) -> dict[tuple[str, str, str], int]:
        keys = zip(*(self.table[k] for k in ("encoder", "target", "language")), strict=True)
        return dict(zip(keys, self.table["n"], strict=True))

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


def _same(specs: Collection[str]) -> bool:
    """Whether several seeds were scored by one spec, which names the checkpoint."""
    return len(specs) > 1 and len(set(specs)) == 1 and all(specs)


def _complete_seeds(scores: Scores, units: Sequence[Unit]) -> tuple[list[int], list[int]]:
    """The seeds with a score in every unit, and the others; both sorted."""
    seeds = sorted({seed for unit in units for seed in scores.by_seed[unit]})
    complete = [seed for seed in seeds if all(seed in scores.by_seed[unit] for unit in units)]
    return complete, [seed for seed in seeds if seed not in complete]


def _runs(scores: Scores, units: Sequence[Unit], seeds: Sequence[int]) -> Runs:
    values = np.array([[scores.by_seed[unit][seed] for seed in seeds] for unit in units])
    one = bool(units) and all(unit.target in scores.one_training for unit in units)
    return Runs(values.reshape(len(units), len(seeds)), one)


def _listed(units: Sequence[Unit], most: int = 5) -> str:
    """``xnli sw, xnli ur and 3 more``."""
    named = ", ".join(f"{unit.target} {unit.language}" for unit in units[:most])
    return named + (f" and {len(units) - most} more" if len(units) > most else "")
