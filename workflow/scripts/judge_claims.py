"""Judge the claims of a study by its scores."""

from xstilts.analysis import table
from xstilts.analysis.claims import files
from xstilts.workflow.job import job
from xstilts.workflow.jobs import verified

with job(snakemake) as this:
    verified(this.grid, this.grid.claims)
    files.write(this.grid, table.collect(this.grid))
