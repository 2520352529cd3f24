"""What a study computes, from which inputs, and where the results lie.

In: a resolved study. Out: keys, dependencies, paths, artefacts with their digests.
Reads no result; imports neither torch nor snakemake.
"""
