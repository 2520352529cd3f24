"""The audit: whether a results folder is what its records say, from the raw files to the report.

In: a results folder. Out: a verdict for every score, and what was found.
Reads only; loads neither torch nor Snakemake.
"""
