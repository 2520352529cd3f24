"""Figures as files by matplotlib: one style, SVG and PDF, and SVG within a page.

The same values give the same bytes: ids come from a fixed salt, files hold no date, and text stays
text, so that no font decides a path.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 8.0
"""Inches; the page shows a figure in this size or smaller."""
INK, SOFT, LINE = "#14181d", "#515b66", "#c9ced5"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "xstilts",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "path.simplify": False,  # it would drop lines of no length, which are points
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 2,
    "legend.frameon": False,
}


def new_figure(height: float) -> Figure:
    """An empty figure of the report's width; ``height`` in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def words(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    with mpl.rc_context(STYLE):
        figure = new_figure(0.6)
        figure.text(0.01, 0.5, text, va="center", color=SOFT)
    return figure


# --- files ---------------------------------------------------------------------------------------


def svg(figure: Figure) -> str:
    """The figure as an SVG file."""
    return _saved(figure, "svg", {"Date": None}).decode()


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF file."""
    return _saved(figure, "pdf", {"CreationDate": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    stream = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format=kind, metadata=metadata)
    figure.set_layout_engine("none")  # the first file has set the layout, which costs most
    return stream.getvalue()


# --- within a page -------------------------------------------------------------------------------

_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_PLACES = frozenset({"d", "x", "y", "width", "height", "transform"})
"""Attributes whose numbers are places and sizes, in points: a tenth is enough on a page."""


def inline(text: str, name: str, title: str, description: str) -> Markup:
    """The element ``<svg>`` of an SVG file for a page of several figures, with its accessible text.

    It draws the same in half the bytes: without ids that nothing names, empty groups, and groups
    without a property. Ids that are left begin with ``name``, so that figures do not share them.
    Styles become attributes, so that the page's security policy can forbid style attributes; fonts
    are the page's own.
    """
    root = ElementTree.fromstring(text)
    named = sorted(set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)))
    ids = {identifier: f"{name}-{number}" for number, identifier in enumerate(named)}
    body = [kept for child in root for kept in _compact(child, ids)]
    box = root.attrib["viewBox"]
    width, height = box.split()[2:]
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width}pt" '
        f'height="{height}pt" stroke-linejoin="round" stroke-linecap="butt" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>'
        + "\n".join(ElementTree.tostring(each, encoding="unicode").strip() for each in body)
        + "</svg>"
    )


def _compact(element: Element, ids: Mapping[str, str]) -> list[Element]:
    """The elements that stand for ``element``: itself, its children, or none."""
    tag = element.tag.removeprefix(_SVG)
    children = [kept for child in element for kept in _compact(child, ids)]
    attributes = _attributes(element, ids)
    if tag in ("metadata", "style") or (tag in ("g", "defs") and not children):
        return []
    if tag == "g" and not attributes:
        return children
    kept = Element(tag, attributes)
    kept.extend(children)
    kept.text, kept.tail = element.text if tag == "text" else None, "\n"
    return [kept]


def _attributes(element: Element, ids: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in element.items():
        if key == "id":
            found |= {key: ids[value]} if value in ids else {}
        elif key == _HREF:
            found["href"] = f"#{ids[value.removeprefix('#')]}"
        elif key == "clip-path":
            found[key] = f"url(#{ids[value.removeprefix('url(#').removesuffix(')')]})"
        elif key == "style":
            found |= _as_attributes(value)
        elif key in _PLACES:
            found[key] = re.sub(r"\d+\.\d+", lambda match: f"{float(match[0]):.1f}", value)
        else:
            found[key] = value
    if "d" in found:
        found["d"] = _short_path(found["d"])
    if re.match(r"rotate\(-?0 ", found.get("transform", "")):
        del found["transform"]
    return found


def _short_path(path: str) -> str:
    """A path in fewer bytes: after a command, more points follow without one."""
    if "C" in path:
        return path
    path = re.sub(r"\s+L\s+", " ", path.strip())
    path = re.sub(r"\s*([Mz])\s*", r"\1", path)
    path = re.sub(r"M(\S+ \S+) \1(?=M|$)", r"M\1h0", path)  # a line of no length
    return re.sub(r"M([\d.]+) (\S+) \1 ([-\d.]+)(?=M|$)", r"M\1 \2V\3", path)  # upright lines


def _as_attributes(style: str) -> dict[str, str]:
    """``fill: #fff; stroke: none`` as attributes, without the font's name."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs if "family" not in key}
