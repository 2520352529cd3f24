"""Look for test items in the training data of this study."""

from xstilts.workflow.job import job
from xstilts.workflow.jobs import check_contamination, verified

with job(snakemake) as this:
    check_contamination(this.grid, verified(this.grid, this.grid.contamination))
