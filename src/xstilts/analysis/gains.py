"""Gains: what an intermediate task adds to a score, and how sure its mean over languages is.

gain = score(condition) - score(none), same encoder, target, language and seed

A gain is paired: both scores come from the same test items, and from trainings that share their
seed. Gains are first averaged over seeds within a language, then over languages, so that every
language counts once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from xstilts.config.conditions import NONE
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.config.languages import Language

ENGLISH = "en"

ALL = "all"
ZERO_SHOT = "non-English"
LOW = "low-resource"
OTHER = "other"
UNKNOWN = "unknown class"
GROUPS = (ALL, ZERO_SHOT, LOW, OTHER, UNKNOWN)

FEWEST_LANGUAGES = 3
SAME_GAIN = 1e-9
"""Gains closer than this, in points, differ by the rounding of a subtraction at most."""

_PAIR = ["encoder", "target", "language", "seed"]
_LANGUAGE = ["encoder", "condition", "target", "language"]
_MEAN = ["encoder", "condition", "target"]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Pair every score with its baseline: a row per encoder, condition, target, language, seed.

    Columns: those five, ``gain``, ``score``, ``baseline``, ``n`` (test items) and ``warned``
    (either score carries a warning, so the gain needs a look before it is believed). ``none`` has
    no rows: it is the baseline. A score that is undefined gives an undefined gain, not a zero.

    Raises `LineageError` when a score has no baseline, or one over other test items.
    """
    none = table["condition"] == NONE
    pairs = table[~none].merge(
        table.loc[none, [*_PAIR, "score", "n", "warnings"]],
        on=_PAIR,
        how="left",
        suffixes=("", "_baseline"),
        validate="many_to_one",
    )
    _check_paired(pairs)
    return pd.DataFrame(
        {
            "encoder": pairs["encoder"],
            "condition": pairs["condition"],
            "target": pairs["target"],
            "language": pairs["language"],
            "seed": pairs["seed"],
            "gain": pairs["score"] - pairs["score_baseline"],
            "score": pairs["score"],
            "baseline": pairs["score_baseline"],
            "n": pairs["n"],
            "warned": (pairs["warnings"] != "") | (pairs["warnings_baseline"] != ""),
        }
    )


def _check_paired(pairs: pd.DataFrame) -> None:
    """No gain without a baseline over the same test items."""
    for row in pairs[pairs["n"] != pairs["n_baseline"]].head(1).itertuples():
        where = f"{row.encoder}, {row.condition}, seed {row.seed}, {row.target}, {row.language}"
        if math.isnan(row.n_baseline):
            raise LineageError(f"{where}: has no baseline, a cell of condition {NONE!r}")
        raise LineageError(
            f"{where}: scored on {row.n} test items, its baseline on {int(row.n_baseline)}; "
            "a gain needs the same items"
        )


def by_language(gains: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: a row per encoder, condition, target and language.

    Columns: those four, ``gain``, ``spread`` (standard deviation of the gain between seeds; empty
    with one seed), ``score``, ``baseline``, ``n``, ``seeds`` (with a defined gain), ``warned``.
    """
    groups = gains.groupby(_LANGUAGE, sort=False, observed=True)
    return groups.agg(
        gain=("gain", "mean"),
        spread=("gain", "std"),
        score=("score", "mean"),
        baseline=("baseline", "mean"),
        n=("n", "first"),
        seeds=("gain", "count"),
        warned=("warned", "any"),
    ).reset_index()


def group_of(code: str, languages: Mapping[str, Language]) -> str | None:
    """The zero-shot group of a language: low-resource, other or unknown class; None for English.

    English is what the encoder was fine-tuned on, so its gain is no transfer.
    """
    if code == ENGLISH:
        return None
    low = languages[code].low_resource if code in languages else None
    return UNKNOWN if low is None else LOW if low else OTHER


def members(group: str, codes: Sequence[str], languages: Mapping[str, Language]) -> list[str]:
    """The languages among ``codes`` that belong to a group, in their order."""
    if group == ALL:
        return list(codes)
    if group == ZERO_SHOT:
        return [code for code in codes if code != ENGLISH]
    return [code for code in codes if group_of(code, languages) == group]


def summary(gains: pd.DataFrame, languages: Mapping[str, Language]) -> pd.DataFrame:
    """Mean gain per encoder, condition, target and group of languages, with its 95 % interval.

    Groups: ``all``; ``non-English``, the zero-shot languages; and these split into
    ``low-resource`` (Joshi class 0-2), ``other`` (3-5) and ``unknown class``. English is in
    ``all`` only.

    Columns: those four, ``languages`` (with a defined gain), ``gain``, ``low`` and ``high`` (the
    interval; empty where `interval` gives none), ``score``, ``baseline``, ``warned`` (languages
    with a warned cell among them).

    The interval answers: *with these seeds and these test items, how much would the mean move had
    the benchmark drawn other languages of the same kind?* It does not cover that another seed
    would train another model, nor that other test items would be scored otherwise; and it takes
    languages for independent draws, which relatives are not.
    """
    means = by_language(gains)
    rows = []
    for key, frame in means.groupby(_MEAN, sort=False, observed=True):
        indexed = frame.set_index("language")
        for group in GROUPS:
            chosen = indexed.loc[members(group, list(indexed.index), languages)]
            rows.append(dict(zip(_MEAN, key, strict=True)) | _mean_of(group, chosen))
    return pd.DataFrame(rows, columns=[*_MEAN, *_mean_of("", means.iloc[:0])])


def _mean_of(group: str, means: pd.DataFrame) -> dict[str, object]:
    defined = means[means["gain"].notna()]
    low, high = interval(defined["gain"].to_numpy()) or (math.nan, math.nan)
    return {
        "group": group,
        "languages": len(defined),
        "gain": defined["gain"].mean(),
        "low": low,
        "high": high,
        "score": defined["score"].mean(),
        "baseline": defined["baseline"].mean(),
        "warned": int(defined["warned"].sum()),
    }


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean by Student's t; None for fewer than 3 values, or all equal ones.

    Equal values would give an interval of no width, which excludes zero whatever the values are:
    scores move in steps of one test item, so that a few languages may gain the same by chance.

    No bootstrap: the low-resource languages of a target are often three to six, and of so few a
    bootstrap's 95 % interval misses the mean in a fourth of the cases (docs/report.md).
    """
    if len(values) < FEWEST_LANGUAGES or np.ptp(values) < SAME_GAIN:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean - reach, mean + reach
