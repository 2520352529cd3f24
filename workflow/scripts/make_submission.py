"""Write a study's predictions in the layout of XTREME's submissions."""

from xstilts.analysis import submission
from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked

with job(snakemake) as grid:
    checked(grid, grid.submission(), snakemake.params.spec)
    submission.write(grid)
