"""What a type of task must do with a model: features, head, loss and decoding.

A type is a folder: `schema.py` (a `TaskSchema`) and `scoring.py` (a `TaskScoring`), both without
torch, and `model.py` (a `TaskModel`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import nn

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example
    from xstilts.models.batch import Batch, Features
    from xstilts.models.tokenizer import Limits, Tokenizer
    from xstilts.tasks.scoring import PredictionRow


@dataclass(frozen=True)
class EncodingContext:
    """What examples are encoded with.

    ``labels``: of the head, in the order of its outputs. ``training``: leave out, and count, the
    examples that cannot be trained on.
    """

    tokenizer: Tokenizer
    labels: Sequence[str]
    limits: Limits
    training: bool = False


class TaskModel(ABC):
    """One type of task. It has no state: one instance, ``MODEL``, serves every task of the type."""

    schema: TaskSchema
    needs_whole_batch = False
    """Whether the loss compares all items of a step, and so cannot be summed over parts of it."""

    @abstractmethod
    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """Tokenise examples into items."""

    @abstractmethod
    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head. Called with hidden states (T, H) and a `Batch`, it gives the outputs."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """The sum of the items' losses, each weighted as its features say.

        ``smoothing``: share of the target that all classes have alike (Szegedy et al. 2016).
        """

    def outputs(self, outputs: Any, batch: Batch) -> list[np.ndarray]:
        """The head's outputs as one array for each item; by default, an item is a row of them."""
        return list(outputs.float().cpu().numpy())

    @abstractmethod
    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """One prediction for each scored example, as a row of the predictions file."""

    def parts(self, examples: Sequence[Example]) -> list[list[int]]:
        """The places of the examples that are encoded together; each example is in one part.

        Languages of a target share the outputs of a part that both have. By default all examples
        are one part.
        """
        return [list(range(len(examples)))]


def load_model(name: str) -> TaskModel:
    """The model of a type. It is imported by name, so that a job runs the types that it needs."""
    return cast("TaskModel", import_module(f"xstilts.tasks.{name}.model").MODEL)
