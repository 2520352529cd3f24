"""The scores behind every number: a row for each condition and language of an encoder and target.

A page shows them as tables; a page of a large grid holds them as JSON, from which its script builds
a table when a reader opens it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from xstilts.analysis.report.resources import level_of, name_of, ordered_by_level
from xstilts.analysis.report.tables import cells_anchor
from xstilts.config.conditions import NONE
from xstilts.grid.keys import EvaluationKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xstilts.config.languages import Language
    from xstilts.grid.artefacts import Grid

LISTED_ROWS = 2_500
"""A page with more rows holds them as JSON."""


class SeedScore(NamedTuple):
    """The score of one training, in per cent; NaN if it is undefined."""

    seed: int
    score: float


@dataclass(frozen=True)
class CellRow:
    """The scores of a condition in a language."""

    condition: str
    language: str
    seeds: tuple[SeedScore, ...]
    baseline: float
    """Mean over the seeds of ``none`` that are scored; NaN if no seed is."""
    items: int
    warnings: str

    @property
    def score(self) -> float:
        """Mean over the seeds with a defined score; NaN if no seed has one."""
        return _mean([seed.score for seed in self.seeds])

    @property
    def gain(self) -> float:
        """Points over the baseline; NaN for the baseline itself."""
        return math.nan if self.condition == NONE else self.score - self.baseline


@dataclass(frozen=True)
class CellBlock:
    """The rows of an encoder and target, by condition and from the least resourced language."""

    encoder: str
    target: str
    rows: list[CellRow]

    @property
    def identifier(self) -> str:
        """The id of the block on the page."""
        return cells_anchor(self.encoder, self.target)


class ScoreFiles(NamedTuple):
    """The score files of a condition on a target: one for each seed."""

    encoder: str
    condition: str
    target: str
    path: str
    """``<k>`` stands for the seed."""
    specs: dict[int, str]
    """The spec's digest by seed."""


@dataclass(frozen=True)
class Cells:
    """All scores of a table, and where they come from."""

    blocks: list[CellBlock]
    files: list[ScoreFiles]
    languages: Mapping[str, Language]

    @property
    def rows(self) -> int:
        """Rows of all blocks."""
        return sum(len(block.rows) for block in self.blocks)

    @property
    def are_listed(self) -> bool:
        """Whether the page shows all rows without its script."""
        return self.rows <= LISTED_ROWS

    def as_json(self) -> Markup:
        """The blocks for the page's script, safe within an element ``script``."""
        codes = dict.fromkeys(row.language for block in self.blocks for row in block.rows)
        value = {
            "languages": {
                code: [name_of(code, self.languages), level_of(code, self.languages)]
                for code in codes
            },
            "blocks": {block.identifier: _as_json(block) for block in self.blocks},
        }
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return Markup(text.replace("<", "\\u003c"))


def cells_of(grid: Grid, table: pd.DataFrame) -> Cells:
    """The scores of a table, complete or not, by encoder and target."""
    languages = grid.cards.languages()
    blocks, files = [], []
    for (encoder, target), rows in table.groupby(["encoder", "target"], sort=False, observed=True):
        blocks.append(CellBlock(encoder, target, _rows(rows, languages)))
    keys = ["encoder", "condition", "target"]
    specs = table.drop_duplicates([*keys, "seed"])
    for (encoder, condition, target), rows in specs.groupby(keys, sort=False, observed=True):
        of_seeds = dict(zip(rows["seed"].tolist(), rows["spec"], strict=True))
        first = grid.paths.scores(EvaluationKey(encoder, condition, next(iter(of_seeds)), target))
        path = first.relative_to(grid.paths.results).as_posix()
        path = path.replace(f"/seed{next(iter(of_seeds))}/", "/seed<k>/")
        files.append(ScoreFiles(encoder, condition, target, path, of_seeds))
    return Cells(blocks, files, languages)


def _rows(table: pd.DataFrame, languages: Mapping[str, Language]) -> list[CellRow]:
    """The rows of a block; ``table`` is of one encoder and target."""
    seeds: dict[tuple[str, str], list[SeedScore]] = {}
    warnings: dict[tuple[str, str], dict[str, None]] = {}
    items: dict[str, int] = {}
    columns = ("condition", "language", "seed", "score", "n", "warnings")
    for condition, code, seed, score, n, warning in zip(
        *(table[name].tolist() for name in columns), strict=True
    ):
        seeds.setdefault((condition, code), []).append(SeedScore(seed, score))
        if warning:
            warnings.setdefault((condition, code), {})[warning] = None
        items[code] = n
    order = {code: k for k, code in enumerate(ordered_by_level(items, languages))}
    conditions = {name: k for k, name in enumerate(dict.fromkeys(table["condition"]))}
    places = sorted(seeds, key=lambda place: (conditions[place[0]], order[place[1]]))
    return [
        CellRow(
            condition,
            code,
            tuple(seeds[condition, code]),
            _mean([seed.score for seed in seeds.get((NONE, code), [])]),
            items[code],
            "; ".join(warnings.get((condition, code), {})).replace(";", "; ").replace(";  ", "; "),
        )
        for condition, code in places
    ]


def _as_json(block: CellBlock) -> dict[str, object]:
    codes = list(dict.fromkeys(row.language for row in block.rows))
    items = {row.language: row.items for row in block.rows}
    by_condition: dict[str, dict[str, CellRow]] = {}
    for row in block.rows:
        by_condition.setdefault(row.condition, {})[row.language] = row
    return {
        "encoder": block.encoder,
        "target": block.target,
        "languages": codes,
        "items": [items[code] for code in codes],
        "conditions": {
            condition: _condition_as_json(codes, rows) for condition, rows in by_condition.items()
        },
    }


def _condition_as_json(codes: list[str], rows: dict[str, CellRow]) -> dict[str, object]:
    seeds = sorted({seed.seed for row in rows.values() for seed in row.seeds})
    scores: list[list[float | None] | None] = []
    for code in codes:
        of_seed = {seed.seed: seed.score for seed in rows[code].seeds} if code in rows else {}
        scores.append([_rounded(of_seed.get(seed)) for seed in seeds] if of_seed else None)
    warnings = {code: row.warnings for code, row in rows.items() if row.warnings}
    return {"seeds": seeds, "scores": scores, "warnings": warnings}


def _rounded(score: float | None) -> float | None:
    return None if score is None or math.isnan(score) else round(score, 2)


def _mean(scores: list[float]) -> float:
    defined = [score for score in scores if not math.isnan(score)]
    return fmean(defined) if defined else math.nan
