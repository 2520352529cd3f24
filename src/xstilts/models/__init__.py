"""Text to hidden states, and a trained state on disk.

In: texts, an encoder's folder. Out: batches, networks, checkpoints.
Knows no task, no grid and no Snakemake.
"""
