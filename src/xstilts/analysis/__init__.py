"""Scores to the table, gains, report and submission.

In: score files. Out: the table, gains, the report, a submission.
Writes the table, the report and the submission; computes no score.
"""
