"""Everything that knows Snakemake.

In: Snakemake's workflow, its configuration, the wildcards of a job. Out: grids, inputs, jobs.
The only package that imports snakemake.
"""
