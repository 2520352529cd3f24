"""What a study will cost, and what it has cost.

In: a grid and measured throughputs. Out: GPU-hours, wall time, disk, and how each is known.
Reads only, except for the copy of the plan that a run keeps.
"""
