"""What the page shows, as plain values that the template only has to place.

Every table of languages is cut into the same `Block`s: English, the Joshi classes from least to
best resourced, and the languages whose class is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from xstilts.analysis.gains import (
    ENGLISH,
    LOW,
    OTHER,
    UNKNOWN,
    ZERO_SHOT,
    by_language,
    gains,
    summary,
)
from xstilts.analysis.report import heatmap, numbers, statements
from xstilts.analysis.table import METRIC_PREFIX
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from xstilts.config.languages import Language
    from xstilts.grid.artefacts import Grid

LISTED_CELLS = 2_000
"""Above so many cells the report says where they lie instead of listing them."""

TITLES = {
    ZERO_SHOT: "All zero-shot languages",
    LOW: "Low-resource languages (Joshi class 0–2)",
    OTHER: "Better-resourced languages (Joshi class 3–5)",
    UNKNOWN: "Languages of unknown class",
}


@dataclass(frozen=True)
class Value:
    """One number of a table: text, colour, tooltip, and whether to distrust it."""

    text: str
    shade: str = ""
    title: str = ""
    warned: bool = False
    note: str = ""
    firm: bool = False


@dataclass(frozen=True)
class Row:
    """One language (or condition) with its numbers."""

    name: str
    code: str
    values: list[Value]


@dataclass(frozen=True)
class Block:
    """Rows under a heading, with the mean of every column where a mean makes sense."""

    title: str
    means: list[Value]
    rows: list[Row]


def of(grid: Grid, table: pd.DataFrame) -> dict[str, Any]:
    """Everything that the template needs."""
    languages = grid.cards.languages()
    paired = gains(table)
    means = by_language(paired)
    groups = summary(paired, languages)
    limit = heatmap.limit_of(means["gain"].to_numpy(dtype=float))
    view = _View(grid, table, means, languages, limit)
    return {
        "study": grid.study.study,
        "conditions": view.conditions,
        "targets": list(grid.resolved.targets.values()),
        "limit": limit,
        "legend": heatmap.legend(limit),
        "encoders": [_encoder(view, groups, name) for name in grid.study.encoders],
        "seeds": grid.study.seeds,
        "cells": len(table),
        "any_warned": bool((table["warnings"] != "").any()),
        "traces": _traces(grid, table) if len(table) <= LISTED_CELLS else None,
        **statements.of(grid, table, paired, groups, languages),
    }


# --- looking numbers up --------------------------------------------------------------------------

Key = tuple[str, str, str, str]


class _View:
    """The numbers of a study by (encoder, condition, target, language)."""

    def __init__(
        self,
        grid: Grid,
        table: pd.DataFrame,
        means: pd.DataFrame,
        languages: Mapping[str, Language],
        limit: float,
    ) -> None:
        self.grid, self.languages, self.limit = grid, languages, limit
        self.conditions = [name for name in grid.resolved.conditions if name != NONE]
        self.gains: dict[Key, Any] = {row[:4]: row for row in means.itertuples(index=False)}
        self.cells: dict[Key, list[dict[str, Any]]] = {}
        for row in table.to_dict("records"):
            key = (row["encoder"], row["condition"], row["target"], row["language"])
            self.cells.setdefault(key, []).append(row)
        self.metrics = {
            target: [
                column.removeprefix(METRIC_PREFIX)
                for column in table
                if str(column).startswith(METRIC_PREFIX) and frame[column].notna().any()
            ]
            for target, frame in table.groupby("target", sort=False)
        }

    def blocks_of(self, target: str) -> list[tuple[str, list[str]]]:
        """The languages of a target by class, each class in order of names."""
        codes = sorted(
            self.grid.resolved.languages[target], key=lambda c: (self.name(c).casefold(), c)
        )
        titles = {code: self.class_of(code) for code in codes}
        return [
            (title, [code for code in codes if titles[code] == title])
            for title in sorted(set(titles.values()), key=_class_order)
        ]

    def name(self, code: str) -> str:
        return self.languages[code].name if code in self.languages else code

    def class_of(self, code: str) -> str:
        if code == ENGLISH:
            return "English · not zero-shot"
        language = self.languages.get(code)
        if language is None or language.joshi_class is None:
            return "Joshi class unknown"
        low = " · low-resource" if language.low_resource else ""
        return f"Joshi class {language.joshi_class}{low}"


def _class_order(title: str) -> tuple[bool, bool, str]:
    """English first, the unknown last."""
    return (not title.startswith("English"), title == "Joshi class unknown", title)


# --- gains ---------------------------------------------------------------------------------------


def _encoder(view: _View, groups: pd.DataFrame, encoder: str) -> dict[str, Any]:
    card = view.grid.cards.encoder(encoder)
    mine = groups[groups["encoder"] == encoder]
    return {
        "name": encoder,
        "title": card.title,
        "verdicts": statements.verdicts(mine),
        "headline": _headline(view, mine, (ZERO_SHOT, LOW)),
        "others": _headline(view, mine, (OTHER, UNKNOWN)),
        "averages": _averages(view, encoder),
        "targets": [_target(view, encoder, target) for target in view.grid.resolved.targets],
    }


def _headline(view: _View, groups: pd.DataFrame, names: Sequence[str]) -> list[Block]:
    """Mean gains, conditions by targets, for some groups of languages that are not empty."""
    blocks = []
    for group in names:
        frame = groups[groups["group"] == group]
        found = {(row.condition, row.target): row for row in frame.itertuples()}
        if not any(row.languages for row in found.values()):
            continue
        targets = list(view.grid.resolved.targets)
        most = {t: max(found[c, t].languages for c in view.conditions) for t in targets}
        sizes = [Value(str(most[t]) if most[t] else numbers.MISSING) for t in targets]
        bases = [Value(numbers.plain(found[view.conditions[0], t].baseline)) for t in targets]
        rows = [
            Row(c, "", [_mean(view, found[c, t], most[t]) for t in targets])
            for c in view.conditions
        ]
        head = [Row("languages", "", sizes), Row(f"baseline score ({NONE})", "", bases)]
        blocks.append(Block(TITLES[group], [], [*head, *rows]))
    return blocks


def _averages(view: _View, encoder: str) -> list[Block]:
    """Mean scores by condition and target, with English and without; every language counts once."""
    targets = view.grid.resolved.targets
    blocks = []
    for title, left_out in (
        ("All languages, English where a target has it", ()),
        ("All languages but English", (ENGLISH,)),
    ):
        rows = [
            Row(name, "", [_average(view, encoder, name, t, left_out) for t in targets])
            for name in view.grid.resolved.conditions
        ]
        blocks.append(Block(title, [], rows))
    return blocks


def _average(
    view: _View, encoder: str, condition: str, target: str, left_out: Sequence[str]
) -> Value:
    codes = [c for c in view.grid.resolved.languages[target] if c not in left_out]
    cells = [view.cells[encoder, condition, target, code] for code in codes]
    by_language = (_mean_value(cell["score"] for cell in of) for of in cells)
    means = [mean for mean in by_language if numbers.known(mean)]
    return Value(
        numbers.plain(_mean_value(means)),
        title=numbers.count(len(means), "language"),
        note=f"n = {len(means)}" if len(means) != len(codes) else "",
        warned=any(cell["warnings"] for of in cells for cell in of),
    )


def _mean(view: _View, mean: Any, most: int) -> Value:
    notes = [numbers.bracketed(mean.low, mean.high)]
    if mean.languages != most:
        notes.append(f"n = {mean.languages}")
    return Value(
        numbers.signed(mean.gain),
        heatmap.shade(mean.gain, view.limit),
        f"score {numbers.plain(mean.score)}, baseline {numbers.plain(mean.baseline)}, "
        f"{numbers.count(mean.languages, 'language')}"
        + (f", {mean.warned} with a warned cell" if mean.warned else ""),
        warned=bool(mean.warned),
        note=" ".join(filter(None, notes)),
        firm=bool(mean.low > 0 or mean.high < 0),
    )


def _target(view: _View, encoder: str, target: str) -> dict[str, Any]:
    card = view.grid.resolved.targets[target]
    return {
        "card": card,
        "gains": _heat_map(view, encoder, target) if view.conditions else [],
        "scores": _score_table(view, encoder, target, None),
        "others": [
            (metric, _score_table(view, encoder, target, metric)) for metric in view.metrics[target]
        ],
    }


def _heat_map(view: _View, encoder: str, target: str) -> list[Block]:
    """Languages by conditions: first the baseline score, then the gains."""
    blocks = []
    for title, codes in view.blocks_of(target):
        rows = [
            Row(
                view.name(code),
                code,
                [
                    _score(view, (encoder, NONE, target, code), None, spread=False),
                    *(_gain(view, (encoder, c, target, code)) for c in view.conditions),
                ],
            )
            for code in codes
        ]
        blocks.append(Block(title, _means(view, encoder, target, codes), rows))
    return blocks


def _gain(view: _View, key: Key) -> Value:
    gain = view.gains[key]
    seeds = ", ".join(
        f"seed {one['seed']}: {numbers.signed(one['score'] - base['score'])}"
        for one, base in zip(view.cells[key], view.cells[key[0], NONE, key[2], key[3]], strict=True)
    )
    title = (
        f"{view.name(key[3])} · {key[1]}: score {numbers.plain(gain.score)}, "
        f"baseline {numbers.plain(gain.baseline)}, n = {gain.n}; {seeds}"
    )
    shade = heatmap.shade(gain.gain, view.limit)
    return Value(numbers.signed(gain.gain), shade, title, warned=bool(gain.warned))


def _means(view: _View, encoder: str, target: str, codes: Iterable[str]) -> list[Value]:
    """Means of a class, beside its heading: of the baseline and of each condition's gain."""
    keys = [[(encoder, c, target, code) for code in codes] for c in view.conditions]
    base = [view.gains[key] for key in keys[0]]
    means = [Value(numbers.plain(_mean_value(row.baseline for row in base)))]
    for column in keys:
        rows = [view.gains[key] for key in column]
        gain = _mean_value(row.gain for row in rows)
        warned = any(row.warned for row in rows)
        means.append(Value(numbers.signed(gain), heatmap.shade(gain, view.limit), warned=warned))
    return means


def _mean_value(values: Iterable[float]) -> float:
    defined = [value for value in values if numbers.known(value)]
    return fmean(defined) if defined else math.nan


# --- scores --------------------------------------------------------------------------------------


def _score_table(view: _View, encoder: str, target: str, metric: str | None) -> list[Block]:
    """Languages by conditions: the number of test items, then a metric (None: the primary)."""
    conditions = [NONE, *view.conditions]
    return [
        Block(
            title,
            [],
            [
                Row(
                    view.name(code),
                    code,
                    [
                        Value(str(view.cells[encoder, NONE, target, code][0]["n"])),
                        *(_score(view, (encoder, c, target, code), metric) for c in conditions),
                    ],
                )
                for code in codes
            ],
        )
        for title, codes in view.blocks_of(target)
    ]


def _score(view: _View, key: Key, metric: str | None, *, spread: bool = True) -> Value:
    """The mean over seeds; beside it, if wanted, the standard deviation between several seeds."""
    cells = view.cells[key]
    column = METRIC_PREFIX + metric if metric else "score"
    scores = [cell[column] for cell in cells]
    defined = [score for score in scores if numbers.known(score)]
    warnings = sorted({cell["warnings"] for cell in cells if cell["warnings"]})
    seeds = (f"seed {c['seed']}: {numbers.plain(c[column])}" for c in cells)
    title = f"{view.name(key[3])} · {key[1]}: n = {cells[0]['n']}; {', '.join(seeds)}"
    return Value(
        numbers.plain(fmean(defined) if defined else None),
        title="; ".join([title, *warnings]),
        warned=bool(warnings),
        note=f"±{numbers.plain(stdev(defined))}" if spread and len(defined) > 1 else "",
    )


# --- traces --------------------------------------------------------------------------------------


def _traces(grid: Grid, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The cell files, a group for each evaluation, whose cells share one spec."""
    keys = ["encoder", "condition", "seed", "target"]
    return [
        {
            "file": grid.cells(*key).relative_to(grid.results).as_posix(),
            "spec": " ".join(dict.fromkeys(frame["spec"])),
            "cells": [
                (row.language, numbers.plain(row.score), row.n) for row in frame.itertuples()
            ],
        }
        for key, frame in table.groupby(keys, sort=False)
    ]
