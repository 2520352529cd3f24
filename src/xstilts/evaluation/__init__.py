"""One checkpoint on one target: predictions and official scores by language.

In: an `EvaluationJob`. Out: a score file and the archive of its predictions.
Writes the job's score file and work folder only; knows no grid.
"""
