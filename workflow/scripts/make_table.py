"""Collect all cells into one tidy table."""

from pathlib import Path

from xstilts.analysis import table
from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked

with job(snakemake) as grid:
    checked(grid, grid.table(), snakemake.params.spec)
    table.write(grid, Path(snakemake.output.table))
