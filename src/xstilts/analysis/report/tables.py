"""The tables of effects: what the headline and the figures rest on, with both intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from xstilts.analysis.language_groups import ZERO_SHOT
from xstilts.analysis.report.data_table import Column, DataTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xstilts.analysis.report.results import Effect, Results
    from xstilts.analysis.statistics.contrast import Contrast, Uncertainty, Verdict

CONDITION = Column("condition", "name", "condition")
TARGET = Column("target", "name", "target")
GROUP = Column("languages", "text", "group")
EFFECT = (
    Column("gain", "gain", "gain"),
    Column("95 %, languages like these", "interval", "like_these_low", "like_these_high"),
    Column("95 %, these languages", "interval", "these_low", "these_high"),
    Column("p", "p", "p"),
)
VERDICT = Column("verdict", "text", "verdict")
COUNTS = (
    Column("seeds", "count", "seeds"),
    Column("seeds of none", "count", "baseline_seeds"),
    Column("n", "count", "languages"),
    Column("families", "count", "families"),
)
NOTE = Column("remark", "text", "note")


def effect_row(encoder: str, effect: Effect) -> dict[str, Any]:
    """An effect as a row of plain values."""
    return {
        "encoder": encoder,
        "condition": effect.condition,
        "target": effect.target,
        "group": effect.group,
        **_values(effect.contrast),
        "q": math.nan if effect.q is None else effect.q,
        "verdict": effect.verdict,
        "note": "; ".join(filter(None, (effect.contrast.reason, *effect.contrast.notes))),
    }


def effect_frame(encoder: str, effects: Iterable[Effect]) -> pd.DataFrame:
    """A row for each effect; without effects the table still has all its columns."""
    return pd.DataFrame([effect_row(encoder, effect) for effect in effects], columns=_NAMES)


def effect_table(
    name: str,
    caption: str,
    encoder: str,
    effects: Sequence[Effect],
    columns: Sequence[Column],
    *,
    anchor: str = "",
    words: Mapping[Verdict, str] | None = None,
) -> DataTable:
    """A table of effects.

    ``anchor``: what the ids of its rows begin with; empty for no ids. ``words``: what a verdict is
    called where "gain" and "loss" would mislead.
    """
    anchors = [effect_anchor(anchor, encoder, effect) for effect in effects] if anchor else []
    links = {"gain": [cells_anchor(encoder, effect.target) for effect in effects]}
    linked = links if all(effect.target and " " not in effect.target for effect in effects) else {}
    frame = effect_frame(encoder, effects)
    frame["verdict"] = frame["verdict"].replace(dict(words or {}))
    return DataTable(name, caption, columns, frame, anchors, linked)


def group_means(results: Results) -> DataTable:
    """The mean gains over the low-resource and the other languages, which no figure shows."""
    effects = [effect for effect in results.means if effect.group != ZERO_SHOT]
    return effect_table(
        f"{results.encoder}/means_by_group",
        "Mean gain over the low-resource languages (Joshi class 0-2), and over the others",
        results.encoder,
        effects,
        (CONDITION, TARGET, GROUP, *EFFECT, Column("q", "p", "q"), VERDICT, *COUNTS, NOTE),
        anchor="means",
    )


def effect_anchor(kind: str, encoder: str, effect: Effect) -> str:
    """The id of the row of an effect."""
    group = effect.group.replace(" ", "_").replace("'", "")
    return f"{kind}.{encoder}.{effect.condition}.{effect.target.replace(' ', '_')}.{group}"


def cells_anchor(encoder: str, target: str) -> str:
    """The id of the block of scores of a target."""
    return f"cells.{encoder}.{target}"


def _values(contrast: Contrast) -> dict[str, float]:
    return {
        "gain": contrast.estimate,
        **_interval("like_these", contrast.like_these),
        **_interval("these", contrast.these),
        "p": contrast.like_these.p if contrast.like_these else math.nan,
        "seeds": contrast.seeds,
        "baseline_seeds": contrast.baseline_seeds,
        "languages": contrast.languages,
        "families": contrast.families,
        "items": contrast.items,
    }


def _interval(name: str, uncertainty: Uncertainty | None) -> dict[str, float]:
    low, high = uncertainty.interval if uncertainty else (math.nan, math.nan)
    return {f"{name}_low": low, f"{name}_high": high}


_NAMES = [
    *("encoder", "condition", "target", "group", "gain", "like_these_low", "like_these_high"),
    *("these_low", "these_high", "p", "seeds", "baseline_seeds", "languages", "families"),
    *("items", "q", "verdict", "note"),
]
