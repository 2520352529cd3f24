"""The answer, for people: one HTML page, and a short table for the terminal.

The page is a single file that needs no script and no network and holds no time, so that the same
cells give the same bytes, today on screen and in ten years in an archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from xstilts import lineage
from xstilts.gains import LOW, ZERO_SHOT, gains, summary
from xstilts.report import heatmap, numbers, page
from xstilts.study import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from xstilts.cards.language import Language
    from xstilts.grid.stages import Grid

__all__ = ["text_summary", "write"]


def write(grid: Grid, table: pd.DataFrame, path: Path) -> None:
    """Write the report of a grid, whose cells are ``table``, as one self-contained HTML file."""
    lineage.write_text(
        path, _environment().get_template("report.html").render(page.of(grid, table))
    )


def _environment() -> Environment:
    """Everything is escaped: names and citations come from cards that anyone may write."""
    environment = Environment(
        loader=PackageLoader("xstilts", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        name: getattr(numbers, name) for name in ("signed", "plain", "count", "breakable")
    }
    environment.globals |= {"heat_styles": heatmap.stylesheet()}
    return environment


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
