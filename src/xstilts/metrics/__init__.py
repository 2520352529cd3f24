"""The official metrics of the benchmarks: pure functions on plain values, scores in percent.

Import what you need from its module (``xstilts.metrics.chunk_f1`` ...); this file imports nothing,
so that a score's code digest covers only the metric that made it. ``docs/metrics.md`` tells the
sources and the traps.
"""
