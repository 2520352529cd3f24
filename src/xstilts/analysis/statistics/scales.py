"""Scores on other scales than points, to see whether a verdict depends on the scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import logit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xstilts.analysis.statistics.design import Floats
    from xstilts.analysis.statistics.score_table import Pair, Unit

Scale = Literal["points", "logit", "standardised"]
"""Points of the target's metric; the logit of the share of the way from chance to 100, which a
baseline near chance or near 100 does not flatten; points over the standard deviation of the
target's baseline between languages, which makes metrics comparable."""


def on_logit_scale(pair: Pair, chance: Mapping[str, float], items: Mapping[Unit, int]) -> Pair:
    """Both conditions as logit((score - chance) / (100 - chance)).

    A share of less than half an item, or more than all but half an item, counts as that.
    """
    floors = np.array([chance[unit.target] for unit in pair.units])
    halves = np.array([0.5 / max(items[unit], 1) for unit in pair.units])

    def transformed(scores: Floats) -> Floats:
        share = (scores - floors[:, None]) / (100 - floors[:, None])
        return np.asarray(logit(np.clip(share, halves[:, None], 1 - halves[:, None])))

    return _changed(pair, transformed)


def standardised(pair: Pair, deviations: Mapping[str, float]) -> Pair:
    """Both conditions in standard deviations of the target's baseline between languages."""
    scale = np.array([deviations[unit.target] for unit in pair.units])
    return _changed(pair, lambda scores: scores / scale[:, None])


def between_languages(baselines: Sequence[float]) -> float:
    """The standard deviation of baseline scores between languages; 0 for fewer than two."""
    return float(np.std(baselines, ddof=1)) if len(baselines) > 1 else 0.0


def _changed(pair: Pair, change: Callable[[Floats], Floats]) -> Pair:
    condition = replace(pair.condition, scores=change(pair.condition.scores))
    return replace(
        pair,
        condition=condition,
        baseline=replace(pair.baseline, scores=change(pair.baseline.scores)),
    )
