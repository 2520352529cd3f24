"""Tables of scores that no model made: random effects of trainings, languages and items."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xstilts.grid.artefacts import Grid

METRICS = {"classification": "accuracy", "retrieval": "accuracy", "tagging": "f1"}


def score_table(
    grid: Grid,
    *,
    gains: Mapping[str, float] | None = None,
    slope: float = 0.0,
    run_sd: float = 0.8,
    language_sd: float = 1.0,
    noise_sd: float = 0.6,
    seed: int = 0,
) -> pd.DataFrame:
    """A score for every cell of a grid, as `xstilts.analysis.table.collect` gives them.

    ``gains``: true gain of each condition, in points; ``slope``: its change for ten times as much
    pretraining text; the standard deviations are between trainings, between the gains of
    languages, and of single scores.
    """
    draw = np.random.default_rng(seed)
    languages = grid.cards.languages()
    true_gains = gains or {}
    keys = grid.resolved.score_keys()
    runs: dict[tuple[str, str, int, str], float] = {}
    units: dict[tuple[str, str, str], float] = {}
    rows = []
    for key in keys:
        run = runs.setdefault(
            (key.encoder, key.condition, key.seed, key.target), draw.normal(0, run_sd)
        )
        language = languages.get(key.language)
        size = (language.resource_level if language else None) or 0.0
        level = 62.0 + 8.0 * size
        gain = 0.0
        if key.condition != "none":
            own = units.setdefault(
                (key.condition, key.target, key.language), draw.normal(0, language_sd)
            )
            gain = true_gains.get(key.condition, 0.0) + slope * size + own
        score = float(np.clip(level + run + gain + draw.normal(0, noise_sd), 0, 100))
        card = grid.cards.task(key.target)
        rows.append(
            {
                "encoder": key.encoder,
                "condition": key.condition,
                "seed": key.seed,
                "target": key.target,
                "language": key.language,
                "task_type": card.task_type,
                "metric": card.primary,
                "score": score,
                "n": 500,
                "warnings": "majority_class" if score < 35 and math.isfinite(score) else "",
                "spec": hash_of(key.encoder, key.condition, key.seed, key.target),
                "digest": hash_of(key),
                "other_version": "",
            }
        )
    return pd.DataFrame(rows)


def hash_of(*parts: object) -> str:
    """A made-up spec digest."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
