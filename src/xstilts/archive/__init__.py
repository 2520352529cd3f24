"""A study's results as one file for others, and back into a folder.

In: a grid and the files on disk. Out: an archive; from archives: the results of a study, restored
or merged. Checkpoints, examples and encoders are not packed, but their stamps are.
"""
