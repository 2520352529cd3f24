"""The mean gains as a short table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.gains import Gains
from xstilts.analysis.language_groups import LOW, ZERO_SHOT
from xstilts.analysis.report import numbers
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xstilts.analysis.gains import MeanGain
    from xstilts.config.languages import Language


def text_summary(table: pd.DataFrame, languages: Mapping[str, Language]) -> str:
    """The gains as plain text: a line per encoder, condition and target.

    Each line has the mean gain over the zero-shot languages with its 95 % interval, then that over
    the low-resource ones among them. The number of languages stands in parentheses, and a dagger
    marks means that include a score with a warning.
    """
    means = Gains(table, languages).by_group
    if not means:
        return f"No gains: the study's only condition is {NONE!r}, the baseline.\n"
    lines: list[tuple[str, ...]] = [
        ("encoder", "condition", "target", "baseline", "zero-shot gain", "low-resource gain")
    ]
    for place in dict.fromkeys(place for place, _ in means):
        zero_shot, low = means[place, ZERO_SHOT], means[place, LOW]
        lines.append((*place, numbers.plain(zero_shot.baseline), _gain(zero_shot), _gain(low)))
    text = _aligned(lines)
    if any(mean.warned for mean in means.values()):
        text += f"{numbers.DAGGER} some of these scores have a warning; the report lists them\n"
    return text


def _gain(mean: MeanGain) -> str:
    """``+1.2 [+0.3, +2.0] (44)``."""
    if not mean.gain.languages:
        return numbers.MISSING
    parts = [
        numbers.signed(mean.gain.mean) + (numbers.DAGGER if mean.warned else ""),
        numbers.bracketed(*mean.gain.interval) if mean.gain.interval else "",
        f"({mean.gain.languages})",
    ]
    return " ".join(filter(None, parts))


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in (lines[0], rule, *lines[1:])
    )
