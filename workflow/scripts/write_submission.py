"""Write a study's predictions in the layout of XTREME's submissions."""

from xstilts.analysis import submission
from xstilts.workflow.job import job
from xstilts.workflow.jobs import verified

with job(snakemake) as this:
    verified(this.grid, this.grid.submission)
    submission.write(this.grid)
