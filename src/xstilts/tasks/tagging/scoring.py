"""Tagging: chunk F1 and token accuracy, from predicted and gold tags; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.chunk_f1 import chunk_score, token_accuracy
from xstilts.tasks.scoring import TaskScoring
from xstilts.tasks.tagging.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class TaggingScoring(TaskScoring):
    """Chunk F1, token accuracy, or both."""

    schema = SCHEMA
    columns = ("id", "tags")

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """Chunk F1 as officially, or token accuracy; n is the number of sentences."""
        gold = [e["tags"] for e in examples]
        predicted = [p["prediction"] for p in predictions]
        metrics: dict[str, float] = {}
        if scorer != "token_accuracy":
            metrics |= chunk_score(gold, predicted)._asdict()
        if scorer != "span_f1":
            metrics["accuracy"] = token_accuracy(gold, predicted)
        return len(gold), metrics


SCORING = TaggingScoring()
