"""Look for test items in the training data of this study."""

from xstilts.jobs import checked, find_overlaps
from xstilts.workflow import job

with job(snakemake) as grid:
    stage = checked(grid, grid.overlaps(), snakemake.params.spec)
    find_overlaps(grid, stage)
