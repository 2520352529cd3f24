"""Look for test items in the training data of this study."""

from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked, find_overlaps

with job(snakemake) as grid:
    stage = checked(grid, grid.overlaps(), snakemake.params.spec)
    find_overlaps(grid, stage)
