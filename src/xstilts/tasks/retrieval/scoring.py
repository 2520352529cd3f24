"""Retrieval: accuracy, F1 of pairs or MAP@20, from what the queries found; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.accuracy import percentage
from xstilts.metrics.bitext import Candidate, pair_score, tune_threshold
from xstilts.metrics.ranking import mean_average_precision
from xstilts.tasks.retrieval.schema import SCHEMA
from xstilts.tasks.scoring import TaskScoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class RetrievalScoring(TaskScoring):
    """Accuracy of the nearest, F1 of mined pairs, or MAP@20."""

    schema = SCHEMA
    columns = ("id", "side", "relevant")
    threshold_scorers = ("bucc",)

    def choose_threshold(
        self, examples: Sequence[Example], predictions: Sequence[PredictionRow]
    ) -> float:
        """The threshold with the best F1 for these examples' mined pairs."""
        candidates = [Candidate(p["score"], p["id"], p["prediction"]) for p in predictions]
        return tune_threshold(candidates, _pairs(examples))

    def apply_threshold(
        self, predictions: Sequence[PredictionRow], threshold: float
    ) -> list[PredictionRow]:
        """The mined pairs with ``kept``: whether their score is at least the threshold."""
        return [p | {"kept": p["score"] >= threshold} for p in predictions]

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """Accuracy over queries, F1 over pairs, or mean average precision at 20 over queries."""
        if scorer == "bucc":
            gold = _pairs(examples)
            kept = ((p["id"], p["prediction"]) for p in predictions if p["kept"])
            return len(gold), pair_score(gold, kept)._asdict()
        if scorer == "map20":
            relevant = {p["id"]: p["gold"] for p in predictions}
            ranked = {p["id"]: p["prediction"] for p in predictions}
            return len(relevant), {"map_at_20": mean_average_precision(relevant, ranked)}
        right = sum(p["prediction"] in p["gold"] for p in predictions)
        return len(predictions), {"accuracy": percentage(right, len(predictions))}


def _pairs(examples: Sequence[Example]) -> set[tuple[str, str]]:
    return {(e["id"], name) for e in examples if e["side"] == "query" for name in e["relevant"]}


SCORING = RetrievalScoring()
