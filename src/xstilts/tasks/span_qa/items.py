"""What each question adds to a score of extractive question answering."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xstilts.metrics.question_answering import AnswerScore, mlqa, squad, squad_v2
from xstilts.tasks.items import ids_of, mean
from xstilts.tasks.span_qa.schema import REBUILT

if TYPE_CHECKING:
    from xstilts.tasks.items import ItemParts, Predicted


def item_parts(predicted: Predicted) -> ItemParts | None:
    """The questions of a score; None for another metric."""
    metric, _, rebuilt = predicted.metric.partition(f"_{REBUILT}")
    weights = {"exact_match": (1.0, 0.0), "f1": (0.0, 1.0), "em_f1": (0.5, 0.5)}.get(metric)
    if weights is None or rebuilt:
        return None
    column = REBUILT if predicted.metric.endswith(REBUILT) else "prediction"
    answers, golds = (predicted.table[name].to_pylist() for name in (column, "gold"))
    scores = np.array(
        [
            _answer_score(predicted.scorer, predicted.language, answer, tuple(gold))
            for answer, gold in zip(answers, golds, strict=True)
        ]
    ).reshape(-1, 2)
    return mean(ids_of(predicted.table), scores @ np.array(weights) / 100)


@lru_cache(maxsize=200_000)
def _answer_score(scorer: str, language: str, answer: str, gold: tuple[str, ...]) -> AnswerScore:
    """The score of one answer; many trainings give the same."""
    golds, answers = {"": gold}, {"": answer}
    if scorer == "squad2":
        report = squad_v2(golds, answers)
        return AnswerScore(report["exact"], report["f1"])
    return mlqa(golds, answers, language) if scorer == "mlqa" else squad(golds, answers)
