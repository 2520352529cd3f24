"""The noise of test items of a grid's scores, read from their stored predictions.

The covariances of a target are kept in ``.items/`` of the results folder, under a digest of the
scores that they were computed from and of this code: a report, the claims and the terminal ask for
the same ones, and a run that adds a target leaves the others valid. Where predictions are absent or
are not those of the table, the noise is not known.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np
from pyarrow import ArrowException

from xstilts.analysis.statistics.contrast import ItemNoise
from xstilts.analysis.statistics.items import Influences, ItemCovariance, item_covariance
from xstilts.errors import LineageError, XstiltsError
from xstilts.evaluation import predictions, scores
from xstilts.grid.keys import EvaluationKey
from xstilts.provenance.code import code_of
from xstilts.provenance.digests import digest
from xstilts.provenance.files import write_atomically
from xstilts.tasks.items import Predicted, item_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from xstilts.analysis.statistics.items import Cell, WeightedScores
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid
    from xstilts.tasks.items import ItemParts

_COLUMNS = ["condition", "seed", "language", "digest"]
_UNREADABLE = (ArrowException, LookupError, TypeError, ValueError)
"""What damaged predictions and those of another version raise."""


class _Row(NamedTuple):
    """A score of an encoder on a target, as the table has it."""

    condition: str
    seed: int
    language: str
    digest: str
    """Of the score's line."""


class _OfScore(NamedTuple):
    """The numbers of a score's items and their influences, shape (items,) each."""

    items: NDArray[np.intp]
    influences: NDArray[np.float64]


class StoredItems:
    """The noise of test items in effects of a grid's scores; the ``noise`` of an `Analysis`.

    ``table``: rows of `xstilts.analysis.table.collect`, complete or not; nothing is read before it
    is asked for. ``metric``: another one than the primary metric of each target.
    """

    def __init__(self, grid: Grid, table: pd.DataFrame, metric: str | None = None) -> None:
        self._grid, self._table, self._metric = grid, table, metric
        self._covariance = cache(self._read)

    def __call__(self, effect: WeightedScores) -> ItemNoise | None:
        """The noise of items in an effect; None if the items of a score are not known."""
        parts = []
        for target in dict.fromkeys(unit.target for unit in effect.units):
            covariance = self._covariance(effect.encoder, target)
            noise = covariance.noise(effect.of_target(target)) if covariance else None
            if noise is None:
                return None
            parts.append(noise)
        return ItemNoise(sum(part.all for part in parts), sum(part.shared for part in parts))

    def _read(self, encoder: str, target: str) -> ItemCovariance | None:
        """The covariances of a target's scores; None if none is known."""
        if "digest" not in self._table:
            return None
        chosen = (self._table["encoder"] == encoder) & (self._table["target"] == target)
        rows = [_Row(*row) for row in self._table.loc[chosen, _COLUMNS].itertuples(index=False)]
        code = digest(code_of((__name__, *self._grid.item_modules(target))))
        key = digest([code, self._metric, sorted(map(list, rows))])
        kept = self._grid.paths.items(encoder, target, self._metric)
        if found := _load(kept, key):
            return found
        influences = _common_seeds(_influences(self._grid, encoder, target, rows, self._metric))
        if not influences:
            return None
        found = item_covariance(influences)
        with suppress(XstiltsError, OSError):  # a folder of others may be read only
            _save(kept, key, found)
        return found


# --- predictions ----------------------------------------------------------------------------------


def _influences(
    grid: Grid, encoder: str, target: str, rows: Sequence[_Row], metric: str | None
) -> dict[Cell, dict[int, _OfScore]]:
    """Items and their influences by cell and seed, as far as predictions are there."""
    evaluations: dict[tuple[str, int], list[_Row]] = {}
    for row in rows:
        evaluations.setdefault((row.condition, row.seed), []).append(row)
    card, numbers = grid.cards.task(target), _Numbers()
    found: dict[Cell, dict[int, _OfScore]] = {}
    for (condition, seed), wanted in evaluations.items():
        path = grid.paths.scores(EvaluationKey(encoder, condition, seed, target))
        for language, parts in _parts(path, wanted, card, metric or card.primary):
            of_score = _OfScore(numbers.of(language, parts.ids), parts.influences)
            found.setdefault((condition, language), {})[seed] = of_score
    return found


def _parts(
    path: Path, rows: Sequence[_Row], card: TaskCard, metric: str
) -> Iterator[tuple[str, ItemParts]]:
    """The items of the scores of a file that are those of the table, by language."""
    try:
        content = scores.load(path).scores
    except LineageError:
        return
    with predictions.opened(path) as whole:
        for row in rows:
            score = content.get(row.language)
            if score is None or score["digest"] != row.digest:
                continue
            with suppress(*_UNREADABLE):
                table = predictions.read(whole, score)
                if table is None:
                    continue
                asked = Predicted(table, score["n"], card.scorer, metric, row.language)
                if parts := item_parts(card.task_type, asked):
                    yield row.language, parts


class _Numbers:
    """A number for each item of a target, the same in all languages and trainings."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._last: dict[str, tuple[Sequence[str], NDArray[np.intp]]] = {}

    def of(self, language: str, ids: Sequence[str]) -> NDArray[np.intp]:
        """The numbers of some ids; the trainings of a language have the same ones."""
        last = self._last.get(language)
        if last is None or last[0] != ids:
            numbers = [self._numbers.setdefault(one, len(self._numbers)) for one in ids]
            last = self._last[language] = ids, np.array(numbers, dtype=np.intp)
        return last[1]


def _common_seeds(found: Mapping[Cell, Mapping[int, _OfScore]]) -> dict[Cell, Influences]:
    """The influences of each cell over the seeds that its condition has in all languages."""
    seeds: dict[str, set[int]] = {}
    for (condition, _), by_seed in found.items():
        seeds[condition] = seeds.get(condition, set(by_seed)) & set(by_seed)
    return {
        cell: _aligned([by_seed[seed] for seed in sorted(seeds[cell[0]])])
        for cell, by_seed in found.items()
        if seeds[cell[0]]
    }


def _aligned(by_seed: Sequence[_OfScore]) -> Influences:
    """The influences of several seeds over all items that any of them has."""
    items = np.unique(np.concatenate([numbers for numbers, _ in by_seed]))
    points = np.zeros((len(by_seed), len(items)))
    for row, (numbers, influences) in zip(points, by_seed, strict=True):
        row[np.searchsorted(items, numbers)] = influences
    return Influences(items, points)


# --- the kept covariances -------------------------------------------------------------------------


def _load(path: Path, key: str) -> ItemCovariance | None:
    """The covariances that were kept under a key; None if there are none or they are damaged."""
    with suppress(OSError, EOFError, ValueError, KeyError, BadZipFile), path.open("rb") as stream:
        kept = np.load(stream, allow_pickle=False)
        if str(kept["key"]) == key:
            cells = tuple((str(c), str(code)) for c, code in json.loads(str(kept["cells"])))
            return ItemCovariance(cells, kept["matrix"])
    return None


def _save(path: Path, key: str, covariance: ItemCovariance) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        cells = json.dumps(covariance.cells)
        np.savez(stream, key=key, cells=cells, matrix=covariance.matrix)
