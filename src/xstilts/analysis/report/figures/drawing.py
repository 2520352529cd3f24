"""Figures as files by matplotlib: one style, SVG and PDF, and SVG within a page.

The same values give the same bytes: ids come from a fixed salt, files hold no date, and text stays
text, so that no font decides a path.
"""

from __future__ import annotations

import io
import re

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

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


_ROOT = re.compile(r"<svg\b[^>]*?viewBox=\"(?P<box>[^\"]*)\"[^>]*>", re.DOTALL)
_STYLE_ATTRIBUTE = re.compile(r' style="([^"]*)"')


def inline(text: str, name: str, title: str, description: str) -> Markup:
    """The element ``<svg>`` of an SVG file for a page of several figures, with its accessible text.

    Ids begin with ``name``, so that figures do not share them. Styles become attributes, so that
    the page's security policy can forbid style attributes; fonts are the page's own.
    """
    body = text[text.index("</defs>") + len("</defs>") :]  # the first defs holds the global style
    root = _ROOT.search(text)
    assert root is not None
    body = re.sub(r'(\bid=")', rf"\1{name}-", body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}-", body).replace("xlink:href", "href")
    body = _STYLE_ATTRIBUTE.sub(lambda match: _as_attributes(match[1]), body)
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)
    body = re.sub(r"\d+\.\d{2,}", lambda match: f"{float(match[0]):.1f}", body)
    body = re.sub(r' d="[^"C]*"', lambda match: _short_path(match[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    width, height = root["box"].split()[2:]
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{root["box"]}" width="{width}pt" '
        f'height="{height}pt" stroke-linejoin="round" stroke-linecap="butt" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{body}'
    )


def _short_path(path: str) -> str:
    """A path of lines in fewer bytes: after M and L, more points follow without a command."""
    path = re.sub(r"\s*\n\s*L ", " ", path)
    return re.sub(r"M (\S+ \S+) \1(?=\s)", r"M\1h0", path)  # a line of no length


def _as_attributes(style: str) -> str:
    """``fill: #fff; stroke: none`` as ``fill="#fff" stroke="none"``, without the font's name."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return "".join(
        f' {key.strip()}="{value.strip()}"' for key, _, value in pairs if "family" not in key
    )
