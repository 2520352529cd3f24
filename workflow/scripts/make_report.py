"""Write the report."""

from pathlib import Path

import pandas as pd

from xstilts import report
from xstilts.jobs import checked
from xstilts.workflow import job

with job(snakemake) as grid:
    checked(grid, grid.report(), snakemake.params.spec)
    report.write(grid, pd.read_parquet(snakemake.input.table), Path(snakemake.output.report))
