"""The files of a report: their names are known before any of them is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid

FOLDER = "report"
"""Beside the page; a folder in it for each encoder."""
FIGURES = (
    "overview",
    "gain_by_language",
    "low_minus_rest",
    "gain_by_size",
    "family_and_script",
    "baseline_seeds",
    "profile",
)
"""In the order of the page; each has a drawing and a table."""
TABLES = ("means_by_group", "averages")
"""Tables without a drawing."""
LEFT_OUT = "data/left_out"
"""The table of rows that readers left out: of the study, not of an encoder."""
DRAWINGS, FRAMES = ("svg", "pdf"), ("csv", "parquet", "tex")
"""The endings of drawings and tables."""


def report_files(grid: Grid, endings: tuple[str, ...] = (*DRAWINGS, *FRAMES)) -> list[Path]:
    """The files of the figures and tables of a complete report, those with some endings."""
    folder = grid.paths.report.with_name(FOLDER)
    of_study = [folder / f"{LEFT_OUT}.{ending}" for ending in FRAMES if ending in endings]
    if set(grid.study.conditions) == {NONE}:
        return of_study
    return of_study + [
        folder / encoder / f"{name}.{ending}"
        for encoder in grid.study.encoders
        for name in (*FIGURES, *TABLES)
        for ending in (*DRAWINGS, *FRAMES)
        if ending in endings and not (name in TABLES and ending in DRAWINGS)
    ]
