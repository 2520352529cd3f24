"""Scores to the answer.

In: score files. Out: the table, gains, the report, a submission.
Writes the files it is asked for; computes no score itself.
"""
