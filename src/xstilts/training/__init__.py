"""Fine-tuning: examples and an encoder to a checkpoint.

In: a `TrainingJob`. Out: a checkpoint with its stamp and log.
Writes in the job's folder only; knows no grid.
"""
