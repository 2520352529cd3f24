"""What scores the predictions of a type of task: predictions and gold answers to metrics.

It needs no torch, so that stored predictions can be scored again where nothing is trained
(`xstilts audit`). Each type that is scored has a `scoring.py` with a `TaskScoring`, ``SCORING``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example

PredictionRow = dict[str, Any]
"""One row of the predictions file: ``id``, ``prediction``, ``gold``, and what its type adds."""


class TaskScoring(ABC):
    """The official scoring of one type of task. It has no state: one instance serves all tasks."""

    schema: TaskSchema
    columns: tuple[str, ...]
    """The columns of the examples that the scoring reads."""
    threshold_scorers: Collection[str] = ()
    """Scorers that need a threshold, which is chosen before it is applied."""

    @abstractmethod
    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """How many things were scored, and the metrics in per cent."""

    def gold(self, example: Example) -> Any:
        """The gold answer of an example, as the row of its prediction has it."""
        return example[str(self.schema.gold)]

    def choose_threshold(
        self, examples: Sequence[Example], predictions: Sequence[PredictionRow]
    ) -> float:
        """The threshold that is best for these predictions of these examples."""
        raise NotImplementedError(f"{self.schema.name}: no scorer needs a threshold")

    def apply_threshold(
        self, predictions: Sequence[PredictionRow], threshold: float
    ) -> list[PredictionRow]:
        """The predictions, with what the threshold decides: only these can be scored."""
        raise NotImplementedError(f"{self.schema.name}: no scorer needs a threshold")

    def warnings(self, predictions: Sequence[PredictionRow]) -> list[str]:
        """What makes a score suspect: identical predictions where the gold answers differ."""
        suspect = self.schema.is_classification and constant_prediction(predictions)
        return ["majority_class"] if suspect else []


def load_scoring(name: str) -> TaskScoring:
    """The scoring of a type; it is imported by name, so that a job runs only what it needs."""
    return cast("TaskScoring", import_module(f"xstilts.tasks.{name}.scoring").SCORING)


def constant_prediction(predictions: Sequence[PredictionRow]) -> bool:
    """Whether all predictions are the same although the gold answers differ.

    Predictions that are lists, as of tags, are compared by their members, others as a whole.
    """
    predicted, gold = (
        {str(x) for p in predictions for x in (p[side] if _is_list(p) else [p[side]])}
        for side in ("prediction", "gold")
    )
    return len(predicted) == 1 and len(gold) > 1


def _is_list(prediction: PredictionRow) -> bool:
    return isinstance(prediction["prediction"], list)
