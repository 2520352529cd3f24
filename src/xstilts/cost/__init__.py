"""What a study costs before anything is submitted, and whether that was true.

In: a grid and measured throughputs. Out: GPU-hours, wall time, disk, each with how it is known.
Reads only, except for the copy of the plan that a run keeps.
"""
