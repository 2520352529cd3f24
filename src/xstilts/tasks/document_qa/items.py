"""What each question adds to a score of TyDi QA's primary tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.metrics.tydiqa import (
    Annotation,
    Prediction,
    best_f1,
    score_minimal_answer,
    score_passage,
)
from xstilts.tasks.items import as_counts, of_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xstilts.tasks.items import ItemParts, Predicted


def item_parts(predicted: Predicted) -> ItemParts | None:
    """The questions of a score of passages or minimal answers; None for another metric."""
    task, _, measure = predicted.metric.partition("_")
    score_of = {"passage": score_passage, "minimal": score_minimal_answer}.get(task)
    if score_of is None:
        return None
    rows = predicted.table.to_pylist()
    scores = [score_of([*map(_annotation, row["gold"])], _prediction(row)) for row in rows]
    threshold = best_f1(scores).threshold
    counts = [
        (score.credit * kept, score.answered * kept, score.has_answer)
        for score in scores
        for kept in [score.confidence >= threshold]
    ]
    return of_counts([row["id"] for row in rows], measure, as_counts(counts))


def _annotation(given: Mapping[str, Any]) -> Annotation:
    return Annotation(given["passage"], given["start"], given["end"], given["yes_no"])


def _prediction(row: Mapping[str, Any]) -> Prediction:
    place = row["passage"], row["start"], row["end"], row["yes_no"]
    return Prediction(*place, row["score"], row["score"])
