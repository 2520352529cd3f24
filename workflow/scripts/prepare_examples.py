"""Fetch, read and check the examples of one task and split, in every language that is missing."""

from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked, prepare_examples

with job(snakemake) as grid:
    task, split = snakemake.params.task, snakemake.params.split
    stage = checked(grid, grid.examples(task, split), snakemake.params.spec)
    prepare_examples(grid, stage, task, split)
