"""What a finished run prints: the sources of downloads, the gains, the path of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.cost import planned_vs_actual

if TYPE_CHECKING:
    from xstilts.grid.artefacts import Grid
    from xstilts.workflow.run import Run


def summary(grid: Grid, files_before: int) -> str:
    """The text; ``files_before`` is how many files had been downloaded when the run started."""
    from xstilts.data import download_report

    paths = grid.paths
    downloads = download_report.summary(paths.resources, files_before)
    if not (paths.report.is_file() and paths.table.is_file()):
        return downloads
    import pandas as pd

    from xstilts.analysis.report import terminal
    from xstilts.analysis.report.results import analysis_of

    gains = terminal.text_summary(analysis_of(grid, pd.read_parquet(paths.table)))
    compared = planned_vs_actual.as_text(planned_vs_actual.compare(grid))
    return "\n\n".join(filter(None, [downloads, gains, compared, f"Report: {paths.report}"]))


def show_claims(run: Run) -> None:
    """Print the verdicts of a run that was asked for them by ``snakemake claims``."""
    from xstilts.analysis.claims import show

    if run.is_target("claims") and run.grid.paths.claims_table.is_file():
        show.show(show.read_rows(run.grid.paths.claims_table))
