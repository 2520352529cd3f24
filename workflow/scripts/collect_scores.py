"""Collect all scores into one tidy table, and link the checkpoints that they are of."""

from pathlib import Path

from xstilts.analysis import table
from xstilts.workflow.job import job
from xstilts.workflow.jobs import link_checkpoint, verified

with job(snakemake) as this:
    verified(this.grid, this.grid.table)
    table.write(this.grid, Path(snakemake.output.table))
    for key in this.grid.reads.trainings():
        link_checkpoint(this.grid, key)
