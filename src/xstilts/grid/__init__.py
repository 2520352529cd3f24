"""The grid as artefacts: what is trained and evaluated, where it lies and what decides it.

Each of these is one more layer of the class that the rest calls the grid: `flow` tells what every
training and evaluation reads, `layout` where every artefact lies, `stages` what decides it. All is
known before anything has run: no file of the results is read. A run works from a copy (`frozen`).
"""
