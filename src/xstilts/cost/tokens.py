"""How many tokens a job trains on, and how many it reads without training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from xstilts.grid.keys import INTERMEDIATE

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


class TaskAmount(NamedTuple):
    """What a training does with one of its tasks."""

    steps: float
    batch_size: int
    row_tokens: float
    """Mean tokens of a row."""


def training_tokens(grid: Grid, key: TrainingKey, sizes: DatasetSizes) -> JobTokens:
    """Tokens that a training trains on, and tokens that it reads to select its checkpoint.

    The estimate ignores early stopping: a training that selects its checkpoint on dev sets may end
    sooner.
    """
    encoder, condition, _, stage = key
    amounts = _amounts(grid, encoder, condition, stage, sizes)
    mlm_steps = _mlm_steps(grid, condition, stage, amounts)
    other = grid.reads.more_steps_of(condition, stage)
    if other is not None:  # only a recipe, which has one task and no masked language modelling
        others = _amounts(grid, encoder, other, INTERMEDIATE, sizes)
        more = _steps(others) + _mlm_steps(grid, other, INTERMEDIATE, others)
        amounts = [amount._replace(steps=amount.steps + more) for amount in amounts]
    trained = sum(amount.steps * amount.batch_size * amount.row_tokens for amount in amounts)
    if mlm_steps:
        mlm = grid.study.mlm
        texts = sizes.of_splits(encoder, grid.reads.mlm_text())
        mean = sum(size.tokens for size in texts) / len(texts)
        trained += mlm_steps * mlm.batch_size * min(mean, mlm.max_length)
    steps = _steps(amounts) + mlm_steps
    read = 0.0
    for task in grid.reads.training_tasks(condition, stage):
        dev = sizes.of_splits(encoder, grid.reads.dev_split(condition, stage, task))
        hyperparameters = grid.reads.training_hyperparameters(condition, stage, task)
        dev_evaluations = math.ceil(steps / hyperparameters.eval_every)
        rows = sum(size.rows for size in dev)
        share = min(1.0, (hyperparameters.dev_examples or rows) / rows) if rows else 0.0
        read += dev_evaluations * share * sum(size.rows * size.tokens for size in dev)
    return JobTokens(trained, read)


def _amounts(
    grid: Grid, encoder: str, condition: str, stage: str, sizes: DatasetSizes
) -> list[TaskAmount]:
    """What a training would do with each of its tasks, by their own epochs."""
    tasks = grid.reads.training_tasks(condition, stage)
    amounts = []
    for task in tasks:
        hyperparameters = grid.reads.training_hyperparameters(condition, stage, task)
        parts = sizes.of_splits(encoder, grid.reads.train_split(condition, stage, task))
        rows = sum(size.rows for size in parts)
        mean = sum(size.rows * size.tokens for size in parts) / rows
        if hyperparameters.max_examples:
            rows = min(rows, hyperparameters.max_examples)
        if len(tasks) > 1:
            rows = min(rows, grid.study.multi.cap)
        steps = hyperparameters.epochs * rows / hyperparameters.batch_size
        if hyperparameters.max_steps:
            steps = min(steps, hyperparameters.max_steps)
        amounts.append(TaskAmount(steps, hyperparameters.batch_size, mean))
    return amounts


def _steps(amounts: list[TaskAmount]) -> float:
    return sum(amount.steps for amount in amounts)


def _mlm_steps(grid: Grid, condition: str, stage: str, amounts: list[TaskAmount]) -> float:
    """The steps of masked language modelling, which come on top of those of the tasks."""
    if not grid.reads.mixes_mlm(condition, stage):
        return 0.0
    return _steps(amounts) * grid.study.mlm.rate / (1 - grid.study.mlm.rate)


class RowsRead(NamedTuple):
    """Rows that an evaluation reads, and their mean tokens."""

    rows: float
    row_tokens: float


def evaluation_rows(
    grid: Grid, encoder: str, target: str, languages: list[str], sizes: DatasetSizes
) -> list[RowsRead]:
    """What an evaluation reads of each split of its target, language by language."""
    limit = grid.study.evaluation.limit(target)
    if limit is not None:
        limit *= grid.cards.schema(target).rows_per_question
    splits = [
        (target, split, code) for split in grid.reads.splits_read(target) for code in languages
    ]
    return [
        RowsRead(min(size.rows, limit or math.inf), size.tokens)
        for size in sizes.of_splits(encoder, splits)
    ]
