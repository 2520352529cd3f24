"""What is computed, of what, and where it lies.

In: a resolved study. Out: keys, dependencies, paths, artefacts with their digests.
Reads no result; imports neither torch nor snakemake.
"""
