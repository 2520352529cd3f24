"""How many tokens a job trains on, and how many it reads without training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from xstilts.grid.keys import stage_kind

if TYPE_CHECKING:
    from xstilts.cost.dataset_sizes import DatasetSizes
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import TrainingKey


class JobTokens(NamedTuple):
    """The tokens of a job."""

    trained: float
    """Tokens with a backward pass."""
    read: float
    """Tokens without a backward pass."""


def training_tokens(grid: Grid, key: TrainingKey, sizes: DatasetSizes) -> JobTokens:
    """Tokens that a training trains on, and tokens that it reads to select its checkpoint.

    The estimate ignores early stopping: a training that selects its checkpoint on dev sets may end
    sooner.
    """
    encoder, condition, _, stage = key
    tasks = grid.reads.training_tasks(condition, stage)
    trained = steps = 0.0
    for task in tasks:
        hyperparameters = grid.reads.hyperparameters(task, stage_kind(stage))
        parts = sizes.of_splits(encoder, grid.reads.train_split(condition, stage, task))
        rows = sum(size.rows for size in parts)
        mean = sum(size.rows * size.tokens for size in parts) / rows
        if hyperparameters.max_examples:
            rows = min(rows, hyperparameters.max_examples)
        if len(tasks) > 1:
            rows = min(rows, grid.study.multi.cap)
        instances = hyperparameters.epochs * rows
        if hyperparameters.max_steps:
            instances = min(instances, hyperparameters.max_steps * hyperparameters.batch_size)
        trained += instances * mean
        steps += instances / hyperparameters.batch_size
    if grid.reads.mixes_mlm(condition, stage):
        mlm = grid.study.mlm
        more = steps * mlm.rate / (1 - mlm.rate)
        texts = sizes.of_splits(encoder, grid.reads.mlm_text())
        mean = sum(size.tokens for size in texts) / len(texts)
        trained += more * mlm.batch_size * min(mean, mlm.max_length)
        steps += more
    read = 0.0
    for task in tasks:
        dev = sizes.of_splits(encoder, grid.reads.dev_split(task, stage))
        dev_evaluations = math.ceil(
            steps / grid.reads.hyperparameters(task, stage_kind(stage)).eval_every
        )
        read += dev_evaluations * sum(size.rows * size.tokens for size in dev)
    return JobTokens(trained, read)


def evaluation_tokens(
    grid: Grid, encoder: str, target: str, languages: list[str], sizes: DatasetSizes
) -> JobTokens:
    """Tokens that an evaluation reads in some languages of its target."""
    limit = grid.study.evaluation.limit(target)
    if limit is not None:
        limit *= grid.cards.schema(target).rows_per_question
    splits = [
        (target, split, code) for split in grid.reads.splits_read(target) for code in languages
    ]
    test_sizes = sizes.of_splits(encoder, splits)
    return JobTokens(
        0.0, sum(min(size.rows, limit or math.inf) * size.tokens for size in test_sizes)
    )
