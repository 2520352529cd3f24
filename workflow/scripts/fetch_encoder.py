"""Fetch one encoder into an ordinary Hugging Face folder."""

from pathlib import Path

from xstilts import encoders
from xstilts.jobs import checked
from xstilts.workflow import job

with job(snakemake) as grid:
    name = snakemake.wildcards.encoder
    stage = checked(grid, grid.encoder(name), snakemake.params.spec)
    encoders.fetch(grid.cards.encoder(name), Path(stage.stamp), stage.digest, grid.resources)
