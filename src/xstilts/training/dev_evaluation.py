"""Scores on development data during a training, by which the best checkpoint is chosen.

jiant's rule for XTREME: every so many steps a part of the English development data is scored; the
best checkpoint is kept, the earlier one on a tie; after so many evaluations without a gain the
training ends. Several tasks are compared by the mean of their primary metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xstilts.errors import DataError
from xstilts.models.embedding_rows import EmbeddingRows, GrownRows
from xstilts.models.forward import outputs_of
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.tasks.scoring import constant_prediction, load_scoring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from torch import nn

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example
    from xstilts.models.batch import Batch, Features
    from xstilts.models.checkpoint import Checkpoint
    from xstilts.models.device import Device
    from xstilts.models.network.base import Encoder
    from xstilts.models.tokenizer import Tokenizer
    from xstilts.training.job import TaskJob


class Development:
    """The development data of a training's tasks, tokenised once.

    ``examples``: by task; ``features``: the same, numbered over ``rows``, the embedding rows that
    they need.
    """

    def __init__(
        self,
        tasks: Sequence[TaskJob],
        examples: dict[str, list[Example]],
        tokenizer: Tokenizer,
        folder: Path,
        start: Checkpoint | None,
        trained: EmbeddingRows,
    ) -> None:
        """``folder`` is the encoder's; ``start``: what the training started from."""
        self._tasks = [task for task in tasks if task.name in examples]
        self.examples = examples
        features = {task.name: self._encode(task, tokenizer) for task in self._tasks}
        rows = EmbeddingRows.of(features.values())
        self.features = {name: rows.number(f) for name, f in features.items()}
        self.rows = GrownRows(rows, trained, folder, start.embeddings if start else None)

    def _encode(self, task: TaskJob, tokenizer: Tokenizer) -> Features:
        context = EncodingContext(tokenizer, task.labels, task.hyperparameters)
        return load_model(task.task_type).encode(self.examples[task.name], context)

    def score(
        self, encoder: Encoder, heads: nn.ModuleDict, decay: float, device: Device, budget: int
    ) -> tuple[dict[str, float], list[str]]:
        """Each task's primary metric, and the tasks whose predictions are all identical.

        ``decay``: the factor of the embedding rows that are not trained; ``budget``: tokens of a
        forward pass.
        """
        scores, constant = {}, []
        with self.rows.inside(encoder, decay):
            for task in self._tasks:
                outputs = self.outputs(task, encoder, heads[task.name], device, budget)
                predictions, score = self._scored(task, outputs)
                scores[task.name] = score
                if constant_prediction(predictions):
                    constant.append(task.name)
        return scores, constant

    def outputs(
        self, task: TaskJob, encoder: Encoder, head: nn.Module, device: Device, budget: int
    ) -> list[np.ndarray]:
        """The head's outputs for each instance of a task; the encoder must have `rows`."""
        task_model = load_model(task.task_type)

        def forward(batch: Batch) -> list[np.ndarray]:
            return task_model.outputs(head(encoder(batch), batch), batch)

        title = f"development data of {task.name}"
        with torch.inference_mode():
            return outputs_of(title, self.features[task.name], budget, device, forward)

    def _scored(
        self, task: TaskJob, outputs: Sequence[np.ndarray]
    ) -> tuple[list[dict[str, Any]], float]:
        task_model, examples = load_model(task.task_type), self.examples[task.name]
        features, language = self.features[task.name], task.dev[0].stem
        predictions = task_model.decode(examples, features, outputs, task.labels, task.scorer)
        scoring = load_scoring(task.task_type)
        _, metrics = scoring.score(examples, predictions, task.scorer, language)
        return predictions, float(metrics[task.primary])


def labelled(schema: TaskSchema, examples: list[Example], stamps: Sequence[Path]) -> list[Example]:
    """The examples that can be scored; raises `DataError` where there are none."""
    usable = [example for example in examples if schema.is_labelled(example)]
    if not usable:
        paths = ", ".join(map(str, stamps))
        raise DataError(f"{paths}: no development example with a label")
    return usable
