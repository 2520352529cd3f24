"""Check every score of a study back to the raw files; refuse results that were altered."""

from xstilts.workflow.audit import write_audit
from xstilts.workflow.job import job

with job(snakemake) as this:
    print(write_audit(this.grid))
