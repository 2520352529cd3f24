"""Fetch one encoder into an ordinary Hugging Face folder."""

from pathlib import Path

from xstilts.models import encoder
from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked

with job(snakemake) as grid:
    name = snakemake.wildcards.encoder
    stage = checked(grid, grid.encoder(name), snakemake.params.spec)
    encoder.fetch(grid.cards.encoder(name), Path(stage.stamp), stage.digest, grid.resources)
