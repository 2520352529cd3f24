"""Collect all cells into one tidy table."""

from pathlib import Path

from xstilts import table
from xstilts.jobs import checked
from xstilts.workflow import job

with job(snakemake) as grid:
    checked(grid, grid.table(), snakemake.params.spec)
    table.write(grid, Path(snakemake.output.table))
