"""Write a study's predictions in the layout of XTREME's submissions."""

from xstilts import submission
from xstilts.jobs import checked
from xstilts.workflow import job

with job(snakemake) as grid:
    checked(grid, grid.submission(), snakemake.params.spec)
    submission.write(grid)
