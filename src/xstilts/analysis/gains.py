"""Gains: what an intermediate task adds to a score, and how uncertain its mean over languages is.

gain = score(condition) - score(none), same encoder, target, language and seed

A gain is paired: both scores come from the same test items and from trainings with the same seed.
`Gains` first averages over seeds within a language, then over languages, so that every language
counts once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from xstilts.analysis.language_groups import GROUPS, members
from xstilts.analysis.statistics.contrast import SAME_GAIN, Interval
from xstilts.analysis.table import METRIC_PREFIX
from xstilts.config.conditions import NONE
from xstilts.errors import LineageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from xstilts.config.languages import Language

MIN_LANGUAGES = 3
"""With fewer languages a mean has no interval."""

_PAIR = ["encoder", "target", "language", "seed"]
_LANGUAGE = ["encoder", "condition", "target", "language"]


class Place(NamedTuple):
    """Encoder, condition and target: where gains are averaged over languages."""

    encoder: str
    condition: str
    target: str


class SeedValue(NamedTuple):
    """A score or a gain of one seed, in points; NaN if it is undefined."""

    seed: int
    value: float


@dataclass(frozen=True)
class Estimate:
    """A mean over languages, in points, with its interval; NaN over no language."""

    mean: float
    interval: Interval | None
    languages: int
    """Languages with a defined value: the mean and the interval are over these."""


@dataclass(frozen=True)
class LanguageScore:
    """The score of one language: its mean over seeds, in per cent."""

    mean: float
    """Over the seeds with a defined score; NaN if there is none."""
    spread: float
    """Standard deviation between seeds; NaN with fewer than two defined scores."""
    items: int
    """Test items."""
    seeds: tuple[SeedValue, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class LanguageGain:
    """The gain of one language: its mean over seeds, in points."""

    gain: float
    spread: float
    """Standard deviation of the gain between seeds; NaN with fewer than two defined gains."""
    score: float
    baseline: float
    items: int
    """Test items."""
    warned: bool
    """Whether the score or the baseline of any seed has a warning."""
    seeds: tuple[SeedValue, ...]


@dataclass(frozen=True)
class MeanScore:
    """The mean score over some languages, in per cent; every language counts once."""

    mean: float
    languages: int
    """Languages with a defined score."""
    of_languages: int
    """All languages that the mean is about."""
    warned: bool


@dataclass(frozen=True)
class MeanGain:
    """The mean gain over some languages, with the means of the scores that it comes from."""

    gain: Estimate
    score: float
    baseline: float
    warned: int
    """Languages in the mean whose gain has a warning."""


class Gains:
    """Scores, gains and their means of a grid; every part is computed once, when first asked for.

    ``table`` is that of `xstilts.analysis.table.collect`, ``languages`` that of
    ``config/languages.tsv`` by code. Parts that need gains raise `LineageError` if a score has no
    baseline, or a baseline over other test items.
    """

    def __init__(self, table: pd.DataFrame, languages: Mapping[str, Language]) -> None:
        self.table, self.languages = table, languages

    # -- tables -----------------------------------------------------------------------------------

    @cached_property
    def paired(self) -> pd.DataFrame:
        """A row per encoder, condition, target, language and seed: a score and its baseline.

        Columns: those five, ``gain``, ``score``, ``baseline``, ``n`` (test items) and ``warned``
        (either score has a warning). The baseline ``none`` has no rows. An undefined score gives
        an undefined gain (NaN), not zero.
        """
        return _pair(self.table)

    @cached_property
    def by_language(self) -> pd.DataFrame:
        """Means over seeds: a row per encoder, condition, target and language.

        Columns: those four, ``gain``, ``spread`` (standard deviation of the gain between seeds;
        NaN with one seed), ``score``, ``baseline``, ``n``, ``seeds`` (with a defined gain),
        ``warned``.
        """
        groups = self.paired.groupby(_LANGUAGE, sort=False, observed=True)
        return groups.agg(
            gain=("gain", "mean"),
            spread=("gain", "std"),
            score=("score", "mean"),
            baseline=("baseline", "mean"),
            n=("n", "first"),
            seeds=("gain", "count"),
            warned=("warned", "any"),
        ).reset_index()

    @cached_property
    def by_group(self) -> dict[tuple[Place, str], MeanGain]:
        """The mean gain of each encoder, condition and target over each of `GROUPS`.

        An interval answers: *with these seeds and these test items, how much would the mean change
        if the benchmark had drawn other languages of the same kind?* It does not cover other seeds
        or other test items, and it treats languages as independent draws, which related languages
        are not.
        """
        return {
            (place, group): self.mean_gain(place, members(group, codes, self.languages))
            for place, codes in self._codes.items()
            for group in GROUPS
        }

    # -- one language -----------------------------------------------------------------------------

    def score(self, place: Place, language: str, metric: str | None = None) -> LanguageScore:
        """The score of a language; ``metric`` is one of `metrics`, None is the primary metric."""
        rows = self._rows[*place, language]
        column = METRIC_PREFIX + metric if metric else "score"
        seeds = tuple(SeedValue(row["seed"], row[column]) for row in rows)
        scores = _defined(seed.value for seed in seeds)
        return LanguageScore(
            mean=mean(scores),
            spread=stdev(scores) if len(scores) > 1 else math.nan,
            items=rows[0]["n"],
            seeds=seeds,
            warnings=tuple(sorted({row["warnings"] for row in rows if row["warnings"]})),
        )

    def gain(self, place: Place, language: str) -> LanguageGain:
        """The gain of a language."""
        return self._gains[place][language]

    def metrics(self, target: str) -> list[str]:
        """The metrics of a target beside the primary one, as far as any of its scores has them."""
        rows = self.table[self.table["target"] == target]
        return [
            str(column).removeprefix(METRIC_PREFIX)
            for column in rows
            if str(column).startswith(METRIC_PREFIX) and rows[column].notna().any()
        ]

    # -- means over languages ---------------------------------------------------------------------

    def mean_score(self, place: Place, codes: Collection[str]) -> MeanScore:
        """The mean score over some languages of a target, as far as their scores are defined."""
        scores = [self.score(place, code) for code in codes]
        means = _defined(score.mean for score in scores)
        return MeanScore(
            mean(means), len(means), len(codes), any(score.warnings for score in scores)
        )

    def mean_gain(self, place: Place, codes: Collection[str]) -> MeanGain:
        """The mean gain over some languages of a target, as far as their gains are defined."""
        gains = [self._gains[place][code] for code in codes]
        gains = [gain for gain in gains if not math.isnan(gain.gain)]
        values = [gain.gain for gain in gains]
        return MeanGain(
            gain=Estimate(mean(values), interval(values), len(values)),
            score=mean(gain.score for gain in gains),
            baseline=mean(gain.baseline for gain in gains),
            warned=sum(gain.warned for gain in gains),
        )

    # -- looking rows up --------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> dict[tuple[str, ...], list[dict[str, Any]]]:
        """The table's rows, a row per seed, by encoder, condition, target and language."""
        rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in self.table.to_dict("records"):
            rows.setdefault(tuple(row[name] for name in _LANGUAGE), []).append(row)
        return rows

    @cached_property
    def _gains(self) -> dict[Place, dict[str, LanguageGain]]:
        seeds: dict[tuple[str, ...], list[SeedValue]] = {}
        for row in self.paired.itertuples(index=False):
            key = (row.encoder, row.condition, row.target, row.language)
            seeds.setdefault(key, []).append(SeedValue(row.seed, row.gain))
        gains: dict[Place, dict[str, LanguageGain]] = {}
        for row in self.by_language.itertuples(index=False):
            place = Place(row.encoder, row.condition, row.target)
            gains.setdefault(place, {})[row.language] = LanguageGain(
                row.gain,
                row.spread,
                row.score,
                row.baseline,
                row.n,
                bool(row.warned),
                tuple(seeds[*place, row.language]),
            )
        return gains

    @property
    def _codes(self) -> dict[Place, list[str]]:
        return {place: list(gains) for place, gains in self._gains.items()}


def _pair(table: pd.DataFrame) -> pd.DataFrame:
    is_baseline = table["condition"] == NONE
    baselines = table.loc[is_baseline, [*_PAIR, "score", "n", "warnings"]]
    pairs = table[~is_baseline].merge(
        _with_means(baselines, table.loc[~is_baseline, _PAIR]),
        on=_PAIR,
        how="left",
        suffixes=("", "_baseline"),
        validate="many_to_one",
    )
    for row in pairs[pairs["n"] != pairs["n_baseline"]].head(1).itertuples():
        where = f"{row.encoder}, {row.condition}, seed {row.seed}, {row.target}, {row.language}"
        if math.isnan(row.n_baseline):
            raise LineageError(
                f"{where}: has no baseline; add the score of condition {NONE!r} to the table"
            )
        raise LineageError(
            f"{where}: scored on {row.n} test items, its baseline on {int(row.n_baseline)}; "
            "a gain needs the same test items: run snakemake to compute both scores again"
        )
    return pd.DataFrame(
        {
            **{name: pairs[name] for name in ("encoder", "condition", "target", "language")},
            "seed": pairs["seed"],
            "gain": pairs["score"] - pairs["score_baseline"],
            "score": pairs["score"],
            "baseline": pairs["score_baseline"],
            "n": pairs["n"],
            "warned": (pairs["warnings"] != "") | (pairs["warnings_baseline"] != ""),
        }
    )


def _with_means(baselines: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """The baselines, and their mean for every seed that the baseline was not trained with."""
    unit = ["encoder", "target", "language"]
    means = baselines.groupby(unit, sort=False, as_index=False, observed=True).agg(
        score=("score", "mean"), n=("n", "first"), warnings=("warnings", "max")
    )
    training = ["encoder", "target", "seed"]
    trained = pd.MultiIndex.from_frame(baselines[training])
    keys = wanted.drop_duplicates()
    lacking = keys[~pd.MultiIndex.from_frame(keys[training]).isin(trained)]
    return pd.concat([baselines, lacking.merge(means, on=unit)], ignore_index=True)


# --- statistics ----------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean by Student's t; None for fewer than 3 values, or all equal ones.

    Equal values would give an interval of width zero, which excludes zero whatever the values are:
    scores change in steps of one test item, so that a few languages may gain the same by chance.

    No bootstrap: a target often has only three to six low-resource languages, and with so few
    values a bootstrap's 95 % interval misses the mean in a quarter of the cases (docs/report.md).
    """
    if len(values) < MIN_LANGUAGES or np.ptp(values) < SAME_GAIN:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Interval(mean - reach, mean + reach)


def standard_error(score: float, items: int) -> float:
    """Sampling error of a score in per cent over ``items`` test items; NaN without items.

    sqrt(p (100 - p) / n): exact for accuracy over independent items, an upper bound for means of
    item scores between 0 and 100 (Bhatia and Davis 2000), a rough guide for corpus-level F1.

    >>> standard_error(50.0, 100)
    5.0
    """
    return math.sqrt(score * (100 - score) / items) if items else math.nan


def mean(values: Iterable[float]) -> float:
    """The mean of the values that are defined; NaN if none is.

    >>> mean([1.0, float("nan"), 2.0])
    1.5
    """
    defined = _defined(values)
    return fmean(defined) if defined else math.nan


def _defined(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
