"""The answer in a few lines, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.gains import LOW, ZERO_SHOT, gains, summary
from xstilts.analysis.report import numbers
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xstilts.config.languages import Language


def text_summary(table: pd.DataFrame, languages: Mapping[str, Language]) -> str:
    """The gains as a short plain table: a line per encoder, condition and target.

    Zero-shot languages with their 95 % interval, then the low-resource ones among them; the number
    of languages stands in parentheses, and a dagger where one of them has a warned cell.
    """
    paired = gains(table)
    if paired.empty:
        return f"No gains: the study's only condition is {NONE!r}, the baseline.\n"
    lines: list[tuple[str, ...]] = [
        ("encoder", "condition", "target", "baseline", "zero-shot gain", "low-resource gain")
    ]
    means = summary(paired, languages).set_index("group")
    for zero_shot, low in zip(
        means.loc[[ZERO_SHOT]].itertuples(), means.loc[[LOW]].itertuples(), strict=True
    ):
        names = (zero_shot.encoder, zero_shot.condition, zero_shot.target)
        lines.append((*names, numbers.plain(zero_shot.baseline), _told(zero_shot), _told(low)))
    text = _aligned(lines)
    if means["warned"].any():
        text += (
            f"{numbers.DAGGER} some of these languages have a warned cell; the report lists them\n"
        )
    return text


def _told(mean: object) -> str:
    """``+1.2 [+0.3, +2.0] (44)``."""
    if not mean.languages:  # type: ignore[attr-defined]
        return numbers.MISSING
    parts = [
        numbers.signed(mean.gain) + (numbers.DAGGER if mean.warned else ""),  # type: ignore[attr-defined]
        numbers.bracketed(mean.low, mean.high),  # type: ignore[attr-defined]
        f"({mean.languages})",  # type: ignore[attr-defined]
    ]
    return " ".join(part for part in parts if part)


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in (lines[0], rule, *lines[1:])
    )
