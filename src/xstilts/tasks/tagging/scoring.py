"""Tagging: chunk F1 and token accuracy, from predicted and gold tags; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.chunk_f1 import (
    Rule,
    chunk_score,
    chunks,
    seqeval_chunks,
    strict_chunks,
    token_accuracy,
)
from xstilts.tasks.scoring import TaskScoring
from xstilts.tasks.tagging.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


RULES: dict[str, Rule] = {
    "span_f1": chunks,
    "chunk_f1_upos": chunks,
    "seqeval": seqeval_chunks,
    "seqeval_strict": strict_chunks,
}
"""How each scorer of chunks reads them."""


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
        """Chunk F1 by the scorer's rule, token accuracy, or both; n is the number of sentences."""
        gold = [e["tags"] for e in examples]
        predicted = [p["prediction"] for p in predictions]
        metrics: dict[str, float] = {}
        if rule := RULES.get(scorer):
            metrics |= chunk_score(gold, predicted, rule)._asdict()
        if scorer in ("chunk_f1_upos", "token_accuracy"):
            metrics["accuracy"] = token_accuracy(gold, predicted)
        return len(gold), metrics


SCORING = TaggingScoring()
