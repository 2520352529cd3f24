"""The report: one HTML page, and the files of its figures and tables beside it.

This module collects the values and writes the files; sentences stand in the templates, findings
of figures beside what they are read from (`xstilts.analysis.report.figures`).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from xstilts.analysis.claims.evaluate import evaluate_claims
from xstilts.analysis.gains import gains_by_language
from xstilts.analysis.report import data_table, numbers
from xstilts.analysis.report.answer import FEW, answer_of
from xstilts.analysis.report.averages import averages
from xstilts.analysis.report.cells import cells_of
from xstilts.analysis.report.coverage import coverage_of
from xstilts.analysis.report.data_notes import data_notes
from xstilts.analysis.report.experiment import experiment
from xstilts.analysis.report.figures import FIGURES, drawing
from xstilts.analysis.report.files import FOLDER
from xstilts.analysis.report.limits import limits
from xstilts.analysis.report.resources import level_of, name_of
from xstilts.analysis.report.results import analysis_of, results_of
from xstilts.analysis.report.tables import effect_anchor, group_means
from xstilts.evaluation.score_line import grid_digest
from xstilts.provenance import files
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp
from xstilts.runtime import templates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from jinja2 import Environment

    from xstilts.analysis.claims.result import ClaimResult
    from xstilts.analysis.report.answer import Answer
    from xstilts.analysis.report.cells import Cells
    from xstilts.analysis.report.coverage import Coverage
    from xstilts.analysis.report.data_notes import DataNotes
    from xstilts.analysis.report.data_table import DataTable
    from xstilts.analysis.report.experiment import Experiment
    from xstilts.analysis.report.figures.values import ReportFigure
    from xstilts.analysis.report.limits import Limits
    from xstilts.analysis.report.results import Results
    from xstilts.analysis.table import MissingScores
    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.languages import Language
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid


class ShownFigure(NamedTuple):
    """A figure as the page shows it, with its SVG file."""

    figure: ReportFigure
    svg: str
    """The file's text."""
    inline: Markup
    """The drawing within the page; empty where there is nothing to draw."""
    function: str
    """The function that draws it, below `xstilts.analysis.report.figures`."""


@dataclass(frozen=True)
class EncoderPart:
    """What the page shows of an encoder."""

    card: EncoderCard
    answer: Answer
    figures: list[ShownFigure]
    tables: list[DataTable]
    """Those without a figure."""


@dataclass(frozen=True)
class Page:
    """Everything that the templates show."""

    study: str
    conditions: list[str]
    """Without ``none``."""
    targets: list[TaskCard]
    encoders: list[EncoderPart]
    coverage: Coverage
    cells: Cells
    limits: Limits
    data: DataNotes
    experiment: Experiment
    claims: list[ClaimResult]
    grid_digest: str
    """Of a complete grid; empty for a part of one."""


def write(grid: Grid, table: pd.DataFrame, path: Path) -> None:
    """Write the report of a complete grid and its files, then its stamp.

    ``table`` holds the scores. Beside the page, ``gains.csv`` holds the gain of every encoder,
    condition, target and language, and the folder ``report`` the figures and tables. Raises
    `LineageError` if scores of a language are over different test items.
    """
    written = write_files(grid, table, path)
    inputs = {"table": file_sha256(grid.table.stamp)}
    write_stamp(grid.report.stamp, spec=grid.report.digest, inputs=inputs, files=written)


def write_files(
    grid: Grid, table: pd.DataFrame, path: Path, missing: Sequence[MissingScores] = ()
) -> list[Path]:
    """Write the page and its files without a stamp, also of a part of the scores.

    Returns the paths, the page first.
    """
    page = page_of(grid, table, missing)
    files.write_text(path, render(page, grid.cards.languages()))
    gains = path.with_name("gains.csv")
    files.write_text(gains, gains_by_language(table).to_csv(index=False, lineterminator="\n"))
    folder = path.with_name(FOLDER)
    written = [path, gains, *data_table.write(page.data.table, folder)]
    for part in page.encoders:
        for table_ in part.tables:
            written += data_table.write(table_, folder)
        for shown in part.figures:
            written += data_table.write(shown.figure.table, folder)
            written += _write_drawing(shown.figure, shown.svg, folder)
    return written


def _write_drawing(figure: ReportFigure, svg: str, folder: Path) -> list[Path]:
    paths = [folder / f"{figure.table.name}.{ending}" for ending in ("svg", "pdf")]
    files.write_text(paths[0], svg)
    files.write_bytes(paths[1], drawing.pdf(figure.drawing or drawing.words(figure.title)))
    return paths


def page_of(grid: Grid, table: pd.DataFrame, missing: Sequence[MissingScores] = ()) -> Page:
    """All values of the report of a grid with the scores of ``table``."""
    analysis = analysis_of(grid, table)
    present = set(table["encoder"])
    results = [results_of(analysis, name) for name in grid.study.encoders if name in present]
    return Page(
        study=grid.study.study,
        conditions=[name for name in grid.resolved.conditions if name != "none"],
        targets=list(grid.resolved.targets.values()),
        encoders=[_encoder_part(grid, result) for result in results],
        coverage=coverage_of(grid, table, missing),
        cells=cells_of(grid, table),
        limits=limits(grid, analysis),
        data=data_notes(grid),
        experiment=experiment(grid),
        claims=evaluate_claims(grid, table),
        grid_digest="" if missing else grid_digest(grid.table.digest, table["digest"]),
    )


def _encoder_part(grid: Grid, results: Results) -> EncoderPart:
    card = grid.cards.encoder(results.encoder)
    return EncoderPart(
        card=card,
        answer=answer_of(results, card),
        figures=[_shown(draw, results) for draw in FIGURES.values() if results.conditions],
        tables=[group_means(results), averages(results)] if results.conditions else [],
    )


def _shown(draw: Callable[[Results], ReportFigure], results: Results) -> ShownFigure:
    figure = draw(results)
    function = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"
    if figure.drawing is None:
        return ShownFigure(figure, drawing.svg(drawing.words(figure.title)), Markup(), function)
    text = drawing.svg(figure.drawing)
    inline = drawing.inline(text, figure.identifier, figure.title, figure.description)
    return ShownFigure(figure, text, inline, function)


def render(page: Page, languages: Mapping[str, Language]) -> str:
    """The page as HTML; ``languages`` gives the names and levels that its rows show."""
    template = _templates().get_template("page.html")
    return template.render(
        page=page,
        language_name=lambda code: name_of(code, languages),
        level=lambda code: level_of(code, languages),
    )


# --- templates -----------------------------------------------------------------------------------


def _templates() -> Environment:
    """The templates. They escape everything, because anyone may write the cards that they show."""
    environment = templates.environment("analysis/report/templates", html=True)
    environment.filters |= {
        "signed": numbers.signed,
        "plain": numbers.plain,
        "count": numbers.count,
        "breakable": numbers.breakable,
        "interval": lambda interval: numbers.bracketed(*interval),
        "sortable": data_table.sortable,
    }
    environment.globals |= {
        "few": FEW,
        "anchor": effect_anchor,
        "claim_anchor": lambda claim: f"claim.{claim.id}.{claim.encoder}".removesuffix("."),
    }
    assert environment.loader is not None
    for name in ("style.css", "script.js"):
        source, _, _ = environment.loader.get_source(environment, name)
        key = name.partition(".")[0]
        environment.globals |= {key: Markup(source), f"{key}_hash": _csp_hash(source)}
    return environment


def _csp_hash(source: str) -> str:
    """The hash by which a content security policy allows one inline element (CSP 3, 8.3)."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
