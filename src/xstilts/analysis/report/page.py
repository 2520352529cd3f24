"""The report: one HTML page without scripts, network or times.

This module collects the values; every sentence stands in the templates ``page.html`` and
``tables.html``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from xstilts.analysis.gains import MIN_LANGUAGES, Gains
from xstilts.analysis.report import heatmap, numbers
from xstilts.analysis.report.experiment import experiment
from xstilts.analysis.report.limits import FEW_LANGUAGES, limits
from xstilts.analysis.report.tables import encoder_tables
from xstilts.config.conditions import NONE
from xstilts.grid.keys import EvaluationKey
from xstilts.provenance import files
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from xstilts.analysis.report.experiment import Experiment
    from xstilts.analysis.report.limits import Limits
    from xstilts.analysis.report.tables import EncoderTables
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid

LISTED_SCORES = 2_000
"""A grid with more scores is not listed score by score."""


class TracedScore(NamedTuple):
    """A score and its test items, in the list of score files."""

    language: str
    score: float
    items: int


@dataclass(frozen=True)
class ScoreFile:
    """A score file, and the digest of the spec that its scores share."""

    path: str
    spec: str
    scores: list[TracedScore]


@dataclass(frozen=True)
class Page:
    """Everything that the templates show."""

    study: str
    conditions: list[str]
    """Without ``none``."""
    targets: list[TaskCard]
    scores: int
    shade_limit: float
    """The gain, in points, at which the colours end."""
    legend: list[heatmap.Shade]
    encoders: list[EncoderTables]
    limits: Limits
    experiment: Experiment
    files: list[ScoreFile] | None
    """None above `LISTED_SCORES`."""


def write(grid: Grid, table: pd.DataFrame, path: Path) -> None:
    """Write the report of a grid as one self-contained HTML file, then its stamp.

    ``table`` holds the scores. Beside the report, ``gains.csv`` holds the gain of every encoder,
    condition, target and language, mean over seeds. Raises `LineageError` if a score has no
    baseline over the same test items.
    """
    gains = Gains(table, grid.cards.languages())
    template = environment().get_template("page.html")
    files.write_text(path, template.render(page=page_of(grid, table, gains)))
    csv = path.with_name("gains.csv")
    files.write_text(csv, gains.by_language.to_csv(index=False, lineterminator="\n"))
    inputs = {"table": file_sha256(grid.table.stamp)}
    write_stamp(grid.report.stamp, spec=grid.report.digest, inputs=inputs, files=[path, csv])


def page_of(grid: Grid, table: pd.DataFrame, gains: Gains) -> Page:
    """All values of the report of a grid with the scores of ``table`` and their gains."""
    shade_limit = heatmap.limit_of(gains.by_language["gain"].to_numpy(dtype=float))
    return Page(
        study=grid.study.study,
        conditions=[name for name in grid.resolved.conditions if name != NONE],
        targets=list(grid.resolved.targets.values()),
        scores=len(table),
        shade_limit=shade_limit,
        legend=heatmap.legend(shade_limit),
        encoders=[encoder_tables(grid, gains, name) for name in grid.study.encoders],
        limits=limits(grid, gains),
        experiment=experiment(grid),
        files=_score_files(grid, table) if len(table) <= LISTED_SCORES else None,
    )


def environment() -> Environment:
    """The templates. They escape everything, because anyone may write the cards that they show."""
    environment = Environment(
        loader=PackageLoader("xstilts", "analysis/report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "signed": numbers.signed,
        "plain": numbers.plain,
        "count": numbers.count,
        "breakable": numbers.breakable,
        "shade": heatmap.shade,
    }
    environment.globals |= {
        "shades_css": heatmap.stylesheet(),
        "few_languages": FEW_LANGUAGES,
        "min_languages": MIN_LANGUAGES,
    }
    return environment


def _score_files(grid: Grid, table: pd.DataFrame) -> list[ScoreFile]:
    keys = ["encoder", "condition", "seed", "target"]
    return [
        ScoreFile(
            grid.paths.scores(EvaluationKey(*key)).relative_to(grid.paths.results).as_posix(),
            " ".join(dict.fromkeys(rows["spec"])),
            [TracedScore(row.language, row.score, row.n) for row in rows.itertuples()],
        )
        for key, rows in table.groupby(keys, sort=False)
    ]
