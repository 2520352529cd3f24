"""Multiple choice: accuracy, from predictions and gold choices; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.accuracy import accuracy
from xstilts.tasks.multiple_choice.schema import SCHEMA
from xstilts.tasks.scoring import TaskScoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class MultipleChoiceScoring(TaskScoring):
    """Accuracy."""

    schema = SCHEMA
    columns = ("id", "label")

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


SCORING = MultipleChoiceScoring()
