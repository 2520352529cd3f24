"""Gains by language: what an intermediate task adds to a score, as means over seeds.

    gain = mean score of the condition - mean score of ``none``, same encoder, target and language

Seeds need not be the same ones, nor equally many. What a mean gain over languages says about other
trainings and other languages is the matter of `xstilts.analysis.statistics`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    import pandas as pd

_UNIT = ["encoder", "target", "language"]


def scores_by_language(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: a row for each encoder, condition, target and language of the table.

    Columns: those four, ``score`` and ``spread`` (mean and standard deviation over the seeds with a
    defined score; NaN without one, or with one), ``seeds`` (how many), ``n`` (test items) and
    ``warned`` (whether a score has a warning). ``table`` is that of `xstilts.analysis.table`.
    """
    groups = table.assign(warned=table["warnings"] != "").groupby(
        ["encoder", "condition", "target", "language"], sort=False, observed=True
    )
    return groups.agg(
        score=("score", "mean"),
        spread=("score", "std"),
        seeds=("score", "count"),
        n=("n", "first"),
        warned=("warned", "any"),
    ).reset_index()


def gains_by_language(table: pd.DataFrame) -> pd.DataFrame:
    """Gains over ``none``: a row for each encoder, condition, target and language that has both.

    Columns: those four, ``gain``, ``score``, ``baseline``, ``spread`` and ``baseline_spread``
    (standard deviations between trainings), ``seeds``, ``baseline_seeds``, ``n`` and ``warned``.
    An undefined score gives an undefined gain (NaN), not zero.
    """
    means = scores_by_language(table)
    baselines = means[means["condition"] == NONE].drop(columns=["condition", "n"])
    pairs = means[means["condition"] != NONE].merge(
        baselines, on=_UNIT, suffixes=("", "_of_none"), validate="many_to_one"
    )
    return pairs.assign(
        gain=pairs["score"] - pairs["score_of_none"],
        warned=pairs["warned"] | pairs["warned_of_none"],
    ).rename(
        columns={
            "score_of_none": "baseline",
            "spread_of_none": "baseline_spread",
            "seeds_of_none": "baseline_seeds",
        }
    )[
        [
            *("encoder", "condition", "target", "language", "gain", "score", "baseline"),
            *("spread", "baseline_spread", "seeds", "baseline_seeds", "n", "warned"),
        ]
    ]


def standard_error(score: float, items: int) -> float:
    """Sampling error of a score in per cent over ``items`` test items; NaN without items.

    sqrt(p (100 - p) / n): exact for accuracy over independent items, an upper bound for means of
    item scores between 0 and 100 (Bhatia and Davis 2000), a rough guide for corpus-level F1.

    >>> standard_error(50.0, 100)
    5.0
    """
    return math.sqrt(score * (100 - score) / items) if items else math.nan
