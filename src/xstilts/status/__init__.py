"""Which artefacts of a grid are done, stale or missing.

In: a grid and the files on disk. Out: the state of every score and training.
Reads only; loads no torch.
"""
