"""Drawings are the same every time, and a page may hold several of them."""

import re

import pytest

from xstilts.analysis.report.figures import drawing, plots
from xstilts.analysis.report.figures.values import HeatCell, HeatMap, Mark, Slope, Strip
from xstilts.analysis.statistics.contrast import Interval


def a_figure():
    marks = [Mark(1.0, Interval(0.5, 1.5), Interval(-0.5, 2.5)), None, Mark(-2.0, firm=True)]
    return plots.strips([Strip("mnli", marks)], plots.Categories(["sw", "yo", "de"]), "points")


def inlined(name):
    return drawing.inline(drawing.svg(a_figure()), name, "A <finding>", "What is shown")


def test_the_same_values_give_the_same_bytes():
    """As SVG and as PDF."""
    assert drawing.svg(a_figure()) == drawing.svg(a_figure())
    assert drawing.pdf(a_figure()) == drawing.pdf(a_figure())


def test_two_drawings_share_no_id():
    """And every reference within a drawing has its end there."""
    ids = [set(re.findall(r'\bid="([^"]*)"', inlined(name))) for name in ("one", "two")]
    assert ids[0].isdisjoint(ids[1])
    references = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', inlined("one"))
    assert {first or second for first, second in references} <= ids[0]


def test_a_drawing_in_a_page_has_no_style_attribute():
    """The page's policy forbids them; its text is escaped."""
    text = inlined("one")
    assert "style=" not in text
    assert "A &lt;finding&gt;" in text


def test_numbers_in_text_keep_their_digits():
    """Only places are rounded: a tick at 0.01 is not called 0.0."""
    slope = Slope("mnli", [-2.0, 0.0, 2.0], [1.0, 3.0, 2.0], 0.5, Interval(0.0, 1.0))
    text = drawing.inline(drawing.svg(plots.slopes([slope])), "one", "title", "what")
    assert ">0.01</text>" in text
    assert 'fill-opacity="0.18"' in text


def test_every_column_of_panels_has_its_sizes_below():
    """Also the last one, where the last row does not reach it."""
    slope = Slope("mnli", [0.0, 1.0, 2.0], [1.0, 3.0, 2.0], 0.5, Interval(0.0, 1.0))
    figure = plots.slopes([slope] * 7)
    labelled = [axis for axis in figure.axes[:7] if axis.xaxis.get_tick_params()["labelbottom"]]
    assert labelled == figure.axes[3:7]


def test_a_drawing_in_a_page_holds_nothing_that_draws_nothing():
    """No empty group and no id that nothing names: they are half of matplotlib's bytes."""
    text = inlined("one")
    assert "<g />" not in text
    assert "<metadata" not in text
    ids = set(re.findall(r'\bid="([^"]*)"', text))
    named = {
        first or second for first, second in re.findall(r'href="#([^"]*)"|url\(#([^)]*)', text)
    }
    assert ids == named | {"one-title", "one-desc"}


def test_a_strip_ends_with_the_widest_mark_and_clips_the_intervals():
    """An interval of 1,000 points does not flatten all the others."""
    narrow = [Mark(1.0, outer=Interval(0.5, 1.5))] * 19
    wide = Mark(1.0, outer=Interval(-1000.0, 1000.0))
    figure = plots.strips([Strip("mnli", [*narrow, wide])], plots.Categories(["sw"] * 20), "points")
    (axis,) = figure.axes
    low, high = axis.get_ylim()
    assert (low, high) == (-high, pytest.approx(1.65))
    drawn = [y for line in axis.lines for y in line.get_ydata() if y == y]
    assert max(map(abs, drawn)) <= high


def test_text_stays_text():
    """So that it can be searched and copied."""
    assert ">mnli</text>" in drawing.svg(a_figure())


def test_an_undefined_cell_of_a_heat_map_is_a_dash():
    """Not a zero."""
    cells = [[HeatCell(float("nan"), "inconclusive"), HeatCell(1.0, "gain")]]
    text = drawing.svg(plots.heat_map(HeatMap(["mnli"], ["xnli", "xquad"], cells)))
    assert ">–</text>" in text
    assert ">+1.0</text>" in text


def test_points_are_lines_of_no_length_in_a_page():
    """A grid has thousands of them."""
    slope = Slope("mnli", [0.0, 1.0, 2.0], [1.0, 3.0, 2.0], 0.5, Interval(0.0, 1.0))
    text = drawing.inline(drawing.svg(plots.slopes([slope])), "one", "title", "what")
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", text)) == 3
