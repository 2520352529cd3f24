"""Fetch one encoder into an ordinary Hugging Face folder."""

from xstilts.models import encoder
from xstilts.workflow.job import job
from xstilts.workflow.jobs import verified

with job(snakemake) as this:
    name = snakemake.wildcards.encoder
    artefact = verified(this.grid, this.grid.encoder(name))
    card, resources = this.grid.cards.encoder(name), this.grid.paths.resources
    files = this.grid.sources.get(name)
    encoder.fetch(card, artefact.stamp, artefact.digest, resources, files)
