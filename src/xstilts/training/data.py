"""What a training learns from: the examples of its tasks in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.data.examples import concatenated, subset
from xstilts.errors import DataError
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.tasks.shuffling import shuffled
from xstilts.training.schedule import MLM_TASK, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xstilts.config.study import Multi
    from xstilts.models.batch import Features
    from xstilts.tasks.base import TaskModel
    from xstilts.training.job import MlmJob, StageSteps, TaskJob


class TrainingData:
    """The features of every task, and of the texts of masked language modelling (`MLM_TASK`).

    ``rows``: the embedding rows that are trained, in which the features' token ids count;
    ``lengths``: tokens of each instance (n,), by task.
    """

    def __init__(self, tasks: Sequence[TaskJob], mlm: MlmJob | None, folder: Path) -> None:
        """Read and tokenise; ``folder`` is the encoder's.

        Raises `DataError` where a task has no example that it can be trained on.
        """
        self.tokenizer = Tokenizer(folder)
        self.task_models: dict[str, TaskModel] = {
            task.name: load_model(task.task_type) for task in tasks
        }
        # no card has this task type: its module is imported, and in the spec, only with MLM
        self.mlm: Any = load_model("mlm") if mlm else None
        features = {task.name: features_of(task, self.tokenizer) for task in tasks}
        features |= {MLM_TASK: self._of_texts(mlm)} if mlm else {}
        # MLM's softmax is over the whole vocabulary, so every row of it has a gradient
        whole = EmbeddingRows.whole_vocabulary
        self.rows = whole(folder) if mlm else EmbeddingRows.of(features.values())
        self.features = {name: self.rows.number(f) for name, f in features.items()}
        self.lengths = {name: f.lengths() for name, f in self.features.items()}

    def _of_texts(self, mlm: MlmJob) -> Features:
        choices = mlm.choices
        self.mask = self.tokenizer.mask  # raises where the tokenizer has none
        schema = self.mlm.schema
        parts = [concatenated(schema, [stamp]) for stamp in mlm.examples]  # one language each
        texts = [x for part in parts for x in subset(schema, part, choices.max_examples, MLM_TASK)]
        limits = Hyperparameters(max_length=choices.max_length)
        context = EncodingContext(self.tokenizer, (), limits, training=True)
        features: Features = self.mlm.encode(texts, context, choices.mask)
        if not len(features):
            stamps = ", ".join(map(str, mlm.examples))
            raise DataError(f"{stamps}: no text for masked language modelling")
        return features


def features_of(task: TaskJob, tokenizer: Tokenizer) -> Features:
    """The features of the examples that a task is trained on.

    Raises `DataError` if there is none.
    """
    task_model, limit = load_model(task.task_type), task.hyperparameters.max_examples
    schema = task_model.schema
    examples = subset(schema, concatenated(schema, task.examples), limit, task.name)
    if task.shuffle_seed is not None:
        examples = shuffled(schema, examples, task.shuffle_seed)
    context = EncodingContext(tokenizer, task.labels, task.hyperparameters, training=True)
    features = task_model.encode(examples, context)
    if not len(features):
        stamps = ", ".join(map(str, task.examples))
        raise DataError(f"{stamps}: no example that {task.name!r} can be trained on")
    return features


def count_steps(stage: StageSteps, multi: Multi, tokenizer: Tokenizer) -> int:
    """The optimiser steps that another training would take, if no evaluation ends it early."""
    sizes = {task.name: len(features_of(task, tokenizer)) for task in stage.tasks}
    hyperparameters = {task.name: task.hyperparameters for task in stage.tasks}
    return Schedule(hyperparameters, sizes, multi, seed=0, mlm=stage.mlm).total
