"""What a training learns from: the examples of its tasks in tokens, over the rows that occur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.errors import DataError
from xstilts.models.network.weights import Weights
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.training.schedule import MLM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from xstilts.models.batch import Features
    from xstilts.tasks.base import TaskModel
    from xstilts.training.job import MlmJob, TaskJob
from xstilts.data.examples import joined, subset


class TrainingData:
    """The features of every task, and of the texts of masked language modelling (`MLM`).

    ``rows`` (n,) are the rows of the vocabulary that are trained, sorted; the features' token ids
    count in them. ``lengths``: tokens of each item, by task.
    """

    def __init__(self, tasks: Sequence[TaskJob], mlm: MlmJob | None, folder: Path) -> None:
        """Read and tokenise; ``folder`` is the encoder's.

        Raises `DataError` where a task has no example that it can be trained on.
        """
        self.tokenizer = Tokenizer(folder)
        self.task_models: dict[str, TaskModel] = {
            task.name: load_model(task.task_type) for task in tasks
        }
        # imported, and in the code of the spec, only where it is mixed in
        self.mlm: Any = load_model("mlm") if mlm else None
        raw = {task.name: self._of_task(task) for task in tasks}
        raw |= {MLM: self._of_texts(mlm)} if mlm else {}
        self.rows = _all_rows(folder) if mlm else _rows_that_occur(raw.values())
        self.features = {name: f.renumbered(self.rows.numpy()) for name, f in raw.items()}
        self.lengths = {name: f.lengths() for name, f in self.features.items()}

    def _of_task(self, task: TaskJob) -> Features:
        rows = joined(task.examples)
        rows = subset(rows, task.hyperparameters.max_examples, task.name)
        features = self.task_models[task.name].encode(
            rows,
            EncodingContext(self.tokenizer, task.labels, task.hyperparameters, training=True),
        )
        if not len(features):
            where = ", ".join(map(str, task.examples))
            raise DataError(f"{where}: no example that {task.name!r} can be trained on")
        return features

    def _of_texts(self, mlm: MlmJob) -> Features:
        choices = mlm.choices
        self.mask = self.tokenizer.mask  # which it must have
        parts = [joined([stamp]) for stamp in mlm.examples]  # one language each
        texts = [r for part in parts for r in subset(part, choices.max_examples, MLM)]
        limits = Hyperparameters(max_length=choices.max_length)
        context = EncodingContext(self.tokenizer, (), limits, training=True)
        features: Features = self.mlm.encode(texts, context, choices.mask)
        if not len(features):
            where = ", ".join(map(str, mlm.examples))
            raise DataError(f"{where}: no text for masked language modelling")
        return features


def _all_rows(folder: Path) -> torch.Tensor:
    """Every row of the vocabulary is trained where a softmax is over all."""
    return torch.arange(Weights(folder).vocabulary)


def _rows_that_occur(features: Iterable[Features]) -> torch.Tensor:
    used = np.unique(np.concatenate([f.tokens_used() for f in features]))
    return torch.from_numpy(used.astype(np.int64))
