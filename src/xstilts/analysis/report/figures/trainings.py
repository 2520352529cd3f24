"""Figures of single pairs and trainings: gain against size, seeds of the baseline, profile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xstilts.analysis.gains import gains_by_language
from xstilts.analysis.language_groups import ENGLISH
from xstilts.analysis.report import numbers
from xstilts.analysis.report.data_table import Column, DataTable
from xstilts.analysis.report.figures import plots
from xstilts.analysis.report.figures.values import Profile, ReportFigure, Slope
from xstilts.analysis.report.tables import (
    CONDITION,
    COUNTS,
    EFFECT,
    NOTE,
    TARGET,
    VERDICT,
    effect_table,
)
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from xstilts.analysis.report.results import Effect, Results
    from xstilts.analysis.statistics.contrast import Verdict

SLOPE_WORDS: dict[Verdict, str] = {"gain": "rises", "loss": "falls", "negligible": "flat"}
THRESHOLDS = (-10, -5, -2, -1, 0, 1, 2, 5, 10)
"""Points, in the table of the profile."""


def gain_by_size(results: Results) -> ReportFigure:
    """The gain of every target and language against the size of its pretraining text."""
    gains = _zero_shot_gains(results)
    effects = [e for e in results.slopes if not math.isnan(e.contrast.estimate)]
    return ReportFigure(
        table=effect_table(
            f"{results.encoder}/gain_by_size",
            "Change of the gain for ten times as much text in CC-100, within targets",
            results.encoder,
            results.slopes,
            (CONDITION, *EFFECT, VERDICT, *COUNTS, NOTE),
            anchor="slope",
            words=SLOPE_WORDS,
        ),
        title=_slope_title(effects),
        description="Gain of each target and language against the size of the language's text in "
        "CC-100, one panel for each condition; a point is shown without the difference between "
        "targets. The band is the 95 % interval of the slope for languages like these.",
        drawing=plots.slopes([_slope(e, gains, results) for e in effects[:12]])
        if effects
        else None,
    )


def baseline_seeds(results: Results) -> ReportFigure:
    """How far the trainings of the baseline lie apart, by target."""
    table = results.analysis.scores.table
    rows = table[
        (table["encoder"] == results.encoder)
        & (table["condition"] == NONE)
        & (table["language"] != ENGLISH)
    ]
    means = rows.groupby(["target", "seed"], sort=False, observed=True)["score"].mean()
    frame = means.rename("score").reset_index()
    frame["from_mean"] = frame["score"] - frame.groupby("target")["score"].transform("mean")
    lines = [
        (target, list(frame.loc[frame["target"] == target, "from_mean"]))
        for target in dict.fromkeys(frame["target"])
    ]
    lines = [(target, values) for target, values in lines if len(values) > 1]
    return ReportFigure(
        table=DataTable(
            f"{results.encoder}/baseline_seeds",
            "Mean score of the baseline over the zero-shot languages, by training",
            (
                TARGET,
                Column("seed", "count", "seed"),
                Column("mean score", "score", "score"),
                Column("from the mean of the seeds", "gain", "from_mean"),
            ),
            frame.assign(encoder=results.encoder),
        ),
        title=_spread_title(lines),
        description="Each dot is one training of the baseline: its mean score over the zero-shot "
        "languages of a target, minus the mean of all its trainings.",
        drawing=plots.dots(lines, "points from the mean of the baseline's trainings")
        if lines
        else None,
    )


def profile(results: Results) -> ReportFigure:
    """In how many pairs of target and language a condition gains at least so many points."""
    gains = _zero_shot_gains(results)
    profiles = [
        Profile(condition, sorted(gains.loc[gains["condition"] == condition, "gain"]))
        for condition in results.conditions
    ]
    profiles = [profile for profile in profiles if profile.gains]
    shares = [
        {"encoder": results.encoder, "condition": p.name, "pairs": len(p.gains)}
        | {f"at_least_{t}": 100 * float(np.mean(np.array(p.gains) >= t)) for t in THRESHOLDS}
        for p in profiles
    ]
    columns = [Column(f"≥ {numbers.signed(t)}", "score", f"at_least_{t}") for t in THRESHOLDS]
    names = ["encoder", "condition", "pairs", *(column.name for column in columns)]
    above = {p.name: float(np.mean(np.array(p.gains) > 0)) for p in profiles}
    return ReportFigure(
        table=DataTable(
            f"{results.encoder}/profile",
            "Share of the pairs of target and language, in per cent, by least gain in points",
            (CONDITION, Column("pairs", "count", "pairs"), *columns),
            pd.DataFrame(shares, columns=names),
        ),
        title=_profile_title(above),
        description="For every size of gain, the share of pairs of target and language, means over "
        "seeds, that reach it. A description of these pairs: it holds the luck of the trainings.",
        drawing=plots.profiles(profiles) if profiles else None,
    )


def _zero_shot_gains(results: Results) -> pd.DataFrame:
    table = results.analysis.scores.table
    gains = gains_by_language(table[table["encoder"] == results.encoder])
    return gains[(gains["language"] != ENGLISH) & gains["gain"].notna()]


def _slope(effect: Effect, gains: pd.DataFrame, results: Results) -> Slope:
    languages = results.analysis.languages
    sizes = {code: language.resource_level for code, language in languages.items()}
    rows = gains[gains["condition"] == effect.condition]
    rows = rows.assign(size=[sizes.get(code) for code in rows["language"]]).dropna(subset="size")
    by_target = rows.groupby("target", sort=False)["gain"]
    centred = rows["gain"] - by_target.transform("mean") + rows["gain"].mean()
    like_these = effect.contrast.like_these
    return Slope(
        effect.condition,
        [float(size) for size in rows["size"]],
        [float(gain) for gain in centred],
        effect.contrast.estimate,
        like_these.interval if like_these else None,
    )


# --- findings ------------------------------------------------------------------------------------


def _slope_title(effects: list[Effect]) -> str:
    firm = [e for e in effects if e.verdict in ("gain", "loss")]
    if not effects:
        return "Too few languages of known size for a slope"
    if not firm:
        return "Whether gains change with the size of a language's pretraining text stays open"
    said = ", ".join(f"{e.condition} by {numbers.signed(e.contrast.estimate)}" for e in firm)
    return f"With ten times as much pretraining text the gain changes: {said} points"


def _spread_title(lines: list[tuple[str, list[float]]]) -> str:
    if not lines:
        return "The baseline was trained once, so that its luck is not known"
    ranges = {target: max(values) - min(values) for target, values in lines}
    widest = max(ranges, key=ranges.__getitem__)
    return (
        f"Trainings of the same baseline differ by up to {numbers.plain(ranges[widest])} points "
        f"({widest})"
    )


def _profile_title(above: dict[str, float]) -> str:
    if not above:
        return "No pair of target and language has a gain"
    most, least = max(above, key=above.__getitem__), min(above, key=above.__getitem__)
    if most == least:
        return f"{100 * above[most]:.0f} % of the pairs of target and language gain from {most}"
    return (
        f"From {100 * above[least]:.0f} % ({least}) to {100 * above[most]:.0f} % ({most}) of the "
        "pairs of target and language gain"
    )
