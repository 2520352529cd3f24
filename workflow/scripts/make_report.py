"""Write the report."""

from pathlib import Path

import pandas as pd

from xstilts.analysis.report import page
from xstilts.workflow.job import job
from xstilts.workflow.jobs import checked

with job(snakemake) as grid:
    checked(grid, grid.report(), snakemake.params.spec)
    page.write(grid, pd.read_parquet(snakemake.input.table), Path(snakemake.output.report))
