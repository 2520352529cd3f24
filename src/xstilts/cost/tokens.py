"""How many tokens a job trains on, and how many it reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from xstilts.grid.keys import stage_kind

if TYPE_CHECKING:
    from xstilts.cost.dataset_sizes import Sizes
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import TrainingKey


class Tokens(NamedTuple):
    """What a job costs: tokens with a backward pass and without."""

    trained: float
    read: float


def training_tokens(grid: Grid, key: TrainingKey, sizes: Sizes) -> Tokens:
    """Tokens that a training trains on, and tokens that it reads to select its checkpoint.

    Early stopping is not foreseen: where a checkpoint is selected on dev, it may end sooner.
    """
    encoder, condition, _, stage = key
    tasks = grid.reads.training_tasks(condition, stage)
    trained = steps = 0.0
    for task in tasks:
        h = grid.reads.hyperparameters(task, stage_kind(stage))
        parts = sizes.of_all(encoder, grid.reads.train_split(condition, stage, task))
        rows = sum(size.rows for size in parts)
        mean = sum(size.rows * size.tokens for size in parts) / rows
        if h.max_examples:
            rows = min(rows, h.max_examples)
        if len(tasks) > 1:
            rows = min(rows, grid.study.multi.cap)
        seen = h.epochs * rows
        if h.max_steps:
            seen = min(seen, h.max_steps * h.batch_size)
        trained += seen * mean
        steps += seen / h.batch_size
    if grid.reads.mixes_mlm(condition, stage):
        mlm = grid.study.mlm
        more = steps * mlm.rate / (1 - mlm.rate)
        texts = sizes.of_all(encoder, grid.reads.mlm_text())
        mean = sum(size.tokens for size in texts) / len(texts)
        trained += more * mlm.batch_size * min(mean, mlm.max_length)
        steps += more
    read = 0.0
    for task in tasks:
        dev = sizes.of_all(encoder, grid.reads.dev_split(task, stage))
        looks = math.ceil(steps / grid.reads.hyperparameters(task, stage_kind(stage)).eval_every)
        read += looks * sum(size.rows * size.tokens for size in dev)
    return Tokens(trained, read)


def reading_tokens(
    grid: Grid, encoder: str, target: str, languages: list[str], sizes: Sizes
) -> Tokens:
    """Tokens that an evaluation reads in some languages of its target."""
    limit = grid.study.evaluation.limit(target)
    if limit is not None:
        limit *= grid.cards.schema(target).rows_per_question
    splits = [
        (target, split, code) for split in grid.reads.splits_read(target) for code in languages
    ]
    found = sizes.of_all(encoder, splits)
    return Tokens(0.0, sum(min(size.rows, limit or math.inf) * size.tokens for size in found))
