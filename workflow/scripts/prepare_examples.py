"""Fetch, read and check the examples of one task and split, in every language that is missing."""

from xstilts.workflow.job import job
from xstilts.workflow.jobs import prepare_examples, verified

with job(snakemake) as this:
    task, split = snakemake.wildcards.task, snakemake.wildcards.split
    artefact = verified(this.grid, this.grid.examples(task, split))
    prepare_examples(this.grid, artefact, task, split, this.redo_before)
