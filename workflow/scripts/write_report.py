"""Write the report."""

from pathlib import Path

import pandas as pd

from xstilts.analysis.report import page
from xstilts.workflow.job import job
from xstilts.workflow.jobs import verified

with job(snakemake) as this:
    verified(this.grid, this.grid.report)
    table = pd.read_parquet(snakemake.input.table)
    page.write(this.grid, table, Path(snakemake.output.report))
