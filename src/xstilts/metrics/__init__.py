"""The official metrics of the benchmarks.

In: gold and predicted labels, answers, spans or vectors. Out: scores in per cent.
Pure functions: they read and write no file. Sources and known traps: docs/metrics.md.
"""
