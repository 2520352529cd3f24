"""What a grid says about the power of the next one: its size, and the variances of its scores."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from xstilts.analysis.language_groups import ENGLISH, ZERO_SHOT
from xstilts.analysis.statistics.power import Spreads, measured
from xstilts.analysis.statistics.questions import Analysis
from xstilts.config.conditions import NONE
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid


class Size(NamedTuple):
    """How large a study is."""

    languages: int
    """Zero-shot languages of a target, on average."""
    families: int
    """Families of these, on average; a language of unknown family is one."""
    targets: int


def size_of(grid: Grid) -> Size:
    """The size of a study."""
    languages = grid.cards.languages()
    chosen = [
        [code for code in codes if code != ENGLISH] for codes in grid.resolved.languages.values()
    ]
    families = [
        len({(languages[c].family if c in languages else None) or c for c in codes})
        for codes in chosen
    ]
    return Size(round(fmean(map(len, chosen))), round(fmean(families)), len(chosen))


def spreads_of(grid: Grid) -> dict[str, Spreads]:
    """The standard deviations in the scores of a grid, by encoder.

    Raises `StudyError` for an encoder without two seeds.
    """
    analysis = Analysis(pd.read_parquet(grid.paths.table), grid.cards.languages())
    return {encoder: spreads_in(analysis, encoder) for encoder in analysis.scores.encoders}


def spreads_in(analysis: Analysis, encoder: str) -> Spreads:
    """The standard deviations in the scores of an encoder, averaged over conditions and targets."""
    pairs = []
    for target in analysis.scores.languages:
        units = analysis.units(target, ZERO_SHOT)
        for condition in analysis.scores.conditions:
            if condition == NONE:
                continue
            pair = analysis.scores.pair(encoder, condition, NONE, units)
            if pair.units and pair.condition.scores.size and pair.baseline.scores.size:
                pairs.append((pair.condition.distinct, pair.baseline.distinct))
    try:
        return measured(pairs)
    except ValueError as error:
        raise StudyError(
            f"{encoder}: its scores do not show how trainings differ: power {error}; declare the "
            "variances with --run-sd, --language-sd and --interaction-sd"
        ) from error
