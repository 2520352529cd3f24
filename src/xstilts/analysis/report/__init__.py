"""The report for readers: one HTML page, and a short table for the terminal.

In: a grid and its table. Out: a single file without scripts, network or times.
The same scores give the same bytes.
"""
