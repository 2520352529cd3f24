"""Damaged files of every kind: each is one clear line, never a traceback, a hang or all memory.

The inputs are made by a seeded generator, so a failure comes again. ``XSTILTS_FUZZ=20`` tries 20
times as many, most of them others.
"""
