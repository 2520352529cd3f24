"""The figures of the report: `plots` draws values, `effects` and `trainings` say which and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.report.figures import effects, trainings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xstilts.analysis.report.figures.values import ReportFigure
    from xstilts.analysis.report.results import Results

FIGURES: Mapping[str, Callable[[Results], ReportFigure]] = {
    "overview": effects.overview,
    "gain_by_language": effects.gain_by_language,
    "low_minus_rest": effects.low_minus_rest,
    "gain_by_size": trainings.gain_by_size,
    "family_and_script": effects.family_and_script,
    "baseline_seeds": trainings.baseline_seeds,
    "profile": trainings.profile,
}
"""By the names of `xstilts.analysis.report.files.FIGURES`."""
