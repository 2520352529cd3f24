"""Kinds of drawings: marks with intervals, heat maps, slopes, profiles, dots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from xstilts.analysis.report import colours, numbers
from xstilts.analysis.report.figures.drawing import INK, LINE, SOFT, STYLE, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from xstilts.analysis.report.figures.values import (
        HeatCell,
        HeatMap,
        Mark,
        Profile,
        Slope,
        Strip,
    )
    from xstilts.analysis.statistics.contrast import Interval

    Floats = NDArray[np.float64]

BLUE, ORANGE, BAND = "#08519c", "#b45309", "#eef2f6"
LINES = ("#08519c", "#b45309", "#117733", "#882255", "#5a5f66", "#1b8a9e", "#7a5c00", "#5b3fa0")
"""Colours of lines, all of at least 4.5 : 1 on white."""
STRIP_STEP = 2.6
"""From the zero of a strip to that of the next, in units of a strip's half height."""
MOST_STEPS = 200
"""A profile of more gains is drawn through so many of their quantiles."""
DASHES = ("-", "--", ":", "-.")


# --- marks with intervals ------------------------------------------------------------------------


@dataclass(frozen=True)
class Categories:
    """What the marks of every strip stand over, from left to right."""

    names: Sequence[str]
    groups: Sequence[tuple[str, int]] = ()
    """Title and size of the runs of categories that belong together."""


def strips(strips: Sequence[Strip], categories: Categories, label: str) -> Figure:
    """One strip a condition: a mark over every category, with its two intervals.

    The thick interval is about these languages, the thin one about languages like these; both end
    with the strip. A mark that is firm is filled, others are hollow.
    """
    long = max(map(len, categories.names), default=0) > 4
    reach = _reach(strips)
    # all strips share one axis, because matplotlib takes as long for an axis as for all its marks
    zeros = [-STRIP_STEP * reach * index for index in range(len(strips))]
    with mpl.rc_context(STYLE | {"axes.spines.left": False, "axes.spines.bottom": False}):
        figure = new_figure(0.55 + 0.95 * len(strips) + (0.5 if long else 0.1))
        axis = figure.subplots()
        axis.set_xlim(-0.6, len(categories.names) - 0.4)
        axis.set_ylim(zeros[-1] - reach, reach)
        _bands(axis, categories)
        _frames(axis, zeros, reach)
        _marks(axis, strips, zeros, reach)
        for zero, strip in zip(zeros, strips, strict=True):
            axis.text(-0.6, zero + 1.06 * reach, strip.name, fontsize=8.5, color=INK)
        axis.set_xticks(
            range(len(categories.names)),
            categories.names,
            rotation=35 if long else 90 if len(categories.names) > 30 else 0,
            ha="right" if long else "center",
            fontsize=7 if len(categories.names) < 60 else 5,
        )
        figure.supylabel(label, fontsize=8, color=SOFT)
    return figure


def _reach(strips: Sequence[Strip]) -> float:
    """Points from zero to the end of a strip: a little beyond the marks.

    A very wide interval would flatten all others, so the widest tenth may end with the strip.
    """
    marks = [mark for strip in strips for mark in strip.marks if mark is not None]
    values = [abs(mark.value) for mark in marks]
    ends = sorted(abs(end) for mark in marks for end in (mark.outer or mark.inner or ()))
    return max([*values, ends[int(len(ends) * 0.9)] if ends else 0.0, 1.0]) * 1.1


def _frames(axis: Axes, zeros: Sequence[float], reach: float) -> None:
    """The left and lower edge of every strip, its line of zero, its ticks and their grid."""
    left, right = axis.get_xlim()
    ticks = [t for t in MaxNLocator(4).tick_values(-reach, reach) if abs(t) <= reach]
    rules = [zero + tick for zero in zeros for tick in ticks]
    axis.set_yticks(rules, [f"{t:g}".replace("-", numbers.MINUS) for _ in zeros for t in ticks])
    axis.hlines(rules, left, right, color=LINE, linewidth=0.4)
    axis.hlines(zeros, left, right, color=SOFT, linewidth=0.8)
    edges = [end - reach for end in zeros]
    axis.hlines(edges, left, right, color=LINE, linewidth=0.8)
    axis.vlines([left] * len(zeros), edges, np.add(zeros, reach), color=LINE, linewidth=0.8)


def _marks(axis: Axes, strips: Sequence[Strip], zeros: Sequence[float], reach: float) -> None:
    """Draw all marks of a colour at once: a file of few long paths is a third of the size."""
    placed = [
        (x, zero, mark)
        for zero, strip in zip(zeros, strips, strict=True)
        for x, mark in enumerate(strip.marks)
        if mark is not None
    ]
    for colour in (BLUE, ORANGE):
        mine = [each for each in placed if _colour(each[2]) == colour]
        outer = [(x, zero, mark.outer) for x, zero, mark in mine if mark.outer]
        inner = [(x, zero, mark.inner) for x, zero, mark in mine if mark.inner]
        _segments(axis, outer, reach, color=colour, linewidth=0.8)
        _segments(axis, inner, reach, color=colour, linewidth=2.6, alpha=0.5)
        _points(axis, [(x, zero + mark.value) for x, zero, mark in mine], colour, 4.6)
        hollow = [(x, zero + mark.value) for x, zero, mark in mine if not mark.firm]
        _points(axis, hollow, "white", 2.6)


def _segments(
    axis: Axes,
    intervals: Sequence[tuple[int, float, Interval]],
    reach: float,
    color: str,
    linewidth: float,
    alpha: float = 1.0,
) -> None:
    """Vertical lines in one path, which gaps part; ``intervals``: place, zero and ends."""
    xs = [x for place, _, _ in intervals for x in (place, place, np.nan)]
    ys = [zero + y for _, zero, ends in intervals for y in (*np.clip(ends, -reach, reach), np.nan)]
    axis.plot(xs, ys, color=color, linewidth=linewidth, alpha=alpha, solid_capstyle="butt")


def _points(
    axis: Axes,
    points: Sequence[tuple[float, float]],
    color: str,
    width: float,
    alpha: float = 1.0,
) -> None:
    """Points in one path: lines of no length with round ends, ``width`` wide."""
    places = np.asarray(points, dtype=np.float64).reshape(-1, 1, 2)
    path = np.concatenate([places, places, np.full_like(places, np.nan)], axis=1).reshape(-1, 2)
    axis.plot(*path.T, color=color, alpha=alpha, linewidth=width, solid_capstyle="round")


def _colour(mark: Mark) -> str:
    return BLUE if mark.value >= 0 else ORANGE


def _bands(axis: Axes, categories: Categories) -> None:
    """The groups of categories: every second one on a band, the titles on top."""
    start = 0
    for index, (title, size) in enumerate(categories.groups):
        if index % 2 == 0:
            axis.axvspan(start - 0.5, start + size - 0.5, color=BAND, linewidth=0)
        axis.annotate(
            title,
            (start + size / 2 - 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 14),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            color=SOFT,
        )
        start += size


# --- heat maps -----------------------------------------------------------------------------------


def heat_map(values: HeatMap) -> Figure:
    """Effects as coloured cells, conditions by targets; inconclusive cells are pale and grey.

    Colours of a column end at its largest effect, but at 1 point or more, so that a target whose
    scores vary much does not turn the others white.
    """
    many = len(values.columns) > 8
    with mpl.rc_context(STYLE | {"axes.spines.left": False, "axes.spines.bottom": False}):
        figure = new_figure(0.9 + 0.3 * len(values.rows))
        axis = figure.subplots()
        for x in range(len(values.columns)):
            column = [row[x] for row in values.cells]
            limit = max([1.0, *(abs(cell.value) for cell in column if cell.value == cell.value)])
            for y, cell in enumerate(column):
                _heat_cell(axis, x, y, cell, limit)
        axis.set_xlim(-0.5, len(values.columns) - 0.5)
        axis.set_ylim(len(values.rows) - 0.5, -0.5)
        axis.xaxis.tick_top()
        axis.tick_params(length=0, labelcolor=INK)
        axis.set_xticks(
            range(len(values.columns)),
            values.columns,
            rotation=35 if many else 0,
            ha="left" if many else "center",
            fontsize=7,
        )
        axis.set_yticks(range(len(values.rows)), values.rows)
    return figure


def _heat_cell(axis: Axes, x: int, y: int, cell: HeatCell, limit: float) -> None:
    pale = cell.verdict == "inconclusive"
    colour = colours.shade(cell.value, limit)
    background = colours.faded(colour, 0.3) if pale else colour
    axis.add_patch(
        Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=colours.in_hex(background), lw=0)
    )
    axis.text(
        x,
        y,
        numbers.signed(cell.value),
        ha="center",
        va="center",
        fontsize=7.5,
        fontweight="normal" if pale else "bold",
        color=SOFT if pale else colours.in_hex(colours.ink_on(background)),
    )


# --- lines ---------------------------------------------------------------------------------------


def slopes(values: Sequence[Slope]) -> Figure:
    """Gain against log10 of the pretraining size: a panel for each condition."""
    columns = min(4, max(2, len(values)))
    rows = -(-len(values) // columns)
    with mpl.rc_context(STYLE):
        figure = new_figure(0.5 + 1.75 * rows)
        figure.set_layout_engine("none")  # measuring every tick takes as long as drawing
        grid = _grid(figure, rows)
        panels = figure.subplots(
            rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=grid
        ).ravel()
        for panel in panels[len(values) :]:
            panel.set_axis_off()
        for panel in panels[max(0, len(values) - columns) : len(values)]:
            panel.tick_params(labelbottom=True)  # the lowest of its column
        for panel, value in zip(panels, values, strict=False):
            sizes = np.asarray(value.sizes)
            middle, height = sizes.mean(), float(np.mean(value.gains))
            span = np.linspace(sizes.min(), sizes.max(), 21)
            panel.axhline(0, color=SOFT, linewidth=0.8)
            _points(panel, list(zip(sizes, value.gains, strict=True)), SOFT, 3, alpha=0.55)
            if value.interval:
                ends = [height + slope * (span - middle) for slope in value.interval]
                low, high = np.minimum(*ends), np.maximum(*ends)
                panel.fill_between(span, low, high, color=BLUE, alpha=0.18, linewidth=0)
            panel.plot(span, height + value.slope * (span - middle), color=BLUE, linewidth=1.4)
            panel.text(0, 1.03, value.name, fontsize=8.5, color=INK, transform=panel.transAxes)
            panel.grid(color=LINE, linewidth=0.4)
            panel.set_xticks([-2, -1, 0, 1, 2], ["0.01", "0.1", "1", "10", "100"])
        figure.supxlabel("text in CC-100, GiB + 0.01", fontsize=8, color=SOFT)
        figure.supylabel("gain, points", fontsize=8, color=SOFT)
    return figure


def _grid(figure: Figure, rows: int) -> dict[str, float]:
    """Where panels with numbers at their ticks stand: edges as shares of the figure."""
    width, height = figure.get_size_inches()
    edges = {"left": 0.55 / width, "right": 1 - 0.05 / width}
    edges |= {"bottom": 0.45 / height, "top": 1 - 0.2 / height}
    return edges | {"wspace": 0.06, "hspace": 0.2 if rows > 1 else 0.0}


def profiles(values: Sequence[Profile]) -> Figure:
    """For every size of gain, in how many of the pairs of target and language it is reached."""
    with mpl.rc_context(STYLE):
        figure = new_figure(3.2)
        axis = figure.subplots()
        axis.axvline(0, color=SOFT, linewidth=0.8)
        for index, value in enumerate(values):
            gains = np.asarray(value.gains)
            if len(gains) > MOST_STEPS:
                gains = np.quantile(gains, np.linspace(0, 1, MOST_STEPS))
            axis.step(
                gains,
                100 * np.arange(len(gains), 0, -1) / len(gains),
                where="pre",
                color=LINES[index % len(LINES)],
                linestyle=DASHES[index // len(LINES) % len(DASHES)],
                linewidth=1.4,
                label=value.name,
            )
        axis.set_xlabel("gain of at least so many points")
        axis.set_ylabel("share of targets × languages, %")
        axis.set_ylim(0, 100)
        axis.grid(color=LINE, linewidth=0.4)
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    return figure


def dots(rows: Sequence[tuple[str, Sequence[float]]], label: str) -> Figure:
    """A row of dots for each name: how far single trainings lie from their mean, in points."""
    with mpl.rc_context(STYLE):
        figure = new_figure(0.6 + 0.28 * len(rows))
        axis = figure.subplots()
        axis.axvline(0, color=SOFT, linewidth=0.8)
        for y, (_, values) in enumerate(rows):
            axis.plot([min(values), max(values)], [y, y], color=LINE, linewidth=1.2, zorder=1)
            axis.plot(values, [y] * len(values), "o", markersize=4, color=BLUE, alpha=0.75)
        axis.set_yticks(range(len(rows)), [name for name, _ in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0, labelcolor=INK)
        axis.set_xlabel(label)
        axis.grid(axis="x", color=LINE, linewidth=0.4)
    return figure
