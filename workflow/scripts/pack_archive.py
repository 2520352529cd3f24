"""Pack the results of a study into one file for others."""

from pathlib import Path

from xstilts.archive.contents import pack, path_of_archive
from xstilts.workflow.job import job

with job(snakemake) as this:
    target = path_of_archive(this.grid)
    packed, of = pack(this.grid, Path(snakemake.scriptdir).resolve().parents[1], target)
    print(f"{target}: {packed:,} of {of:,} scores")
