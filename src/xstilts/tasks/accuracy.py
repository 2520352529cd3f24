"""The scoring of types with one label an example: accuracy; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.accuracy import accuracy
from xstilts.tasks.scoring import TaskScoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class AccuracyScoring(TaskScoring):
    """Accuracy. Labels are compared as text: the places of choices are numbers."""

    columns = ("id", "label")

    def __init__(self, schema: TaskSchema) -> None:
        """``schema``: of the type that is scored."""
        self.schema = schema

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """Accuracy over all examples."""
        gold = [str(e["label"]) for e in examples]
        return len(gold), {"accuracy": accuracy(gold, [str(p["prediction"]) for p in predictions])}
