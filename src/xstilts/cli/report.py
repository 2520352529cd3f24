"""``xstilts report``: write the report of a study from the scores that exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import LineageError

if TYPE_CHECKING:
    import argparse

FOLDER = "so-far"
"""In the results of the study: Snakemake's own report is of all scores."""


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "report",
        "write the report of a study from the scores that exist, finished or not",
        "xstilts report my.yaml",
    )
    options.add_study(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help=f"where report.html and its files go (default: {FOLDER}/ in the study's results)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and its files, print the gains, and say what is missing."""
    grid = options.open_grid(options.load(options.one_study(args), args), args.cards)
    from xstilts.analysis.report import page, terminal
    from xstilts.analysis.report.results import analysis_of
    from xstilts.analysis.table import collect_done

    found = collect_done(grid)
    if found.rows.empty:
        raise LineageError(
            f"{grid.paths.results}: no score of this study is done; run snakemake to compute them"
        )
    folder = args.output or grid.paths.results / FOLDER
    path, *_ = page.write_files(grid, found.rows, folder / grid.paths.report.name, found.missing)
    found.rows.to_parquet(folder / grid.paths.table.name, index=False)
    print(terminal.text_summary(analysis_of(grid, found.rows)))
    if found.missing:
        lacking = sum(len(missing.languages) for missing in found.missing)
        print(f"Half-finished: {len(found.rows):,} scores are there, {lacking:,} are missing.")
    print(f"Report: {path}")
    return 0
