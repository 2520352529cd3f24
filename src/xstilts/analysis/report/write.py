"""The report as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from xstilts.analysis.report import heatmap, numbers, page
from xstilts.provenance import files

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xstilts.grid.artefacts import Grid


def write(grid: Grid, table: pd.DataFrame, path: Path) -> None:
    """Write the report of a grid, whose cells are ``table``, as one self-contained HTML file."""
    files.write_text(path, _environment().get_template("report.html").render(page.of(grid, table)))


def _environment() -> Environment:
    """Everything is escaped: names and citations come from cards that anyone may write."""
    environment = Environment(
        loader=PackageLoader("xstilts", "analysis/report"),
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
