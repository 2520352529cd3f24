"""Span question answering: exact match and F1, from answers and gold texts; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.metrics.question_answering import AnswerScore, mlqa, squad, squad_v2
from xstilts.tasks.scoring import TaskScoring
from xstilts.tasks.span_qa.schema import METRICS, REBUILT, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class SpanQAScoring(TaskScoring):
    """Exact match and F1 of the official scripts."""

    schema = SCHEMA
    columns = ("id", "answers")

    def gold(self, example: Example) -> list[str]:
        """The texts of the gold answers."""
        return [answer["text"] for answer in example["answers"]]

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """Exact match and F1 of the official scorer, and their mean, which XTREME averages.

        Of the texts that the spans cover, and of those rebuilt from whitespace words.
        """
        golds = {e["id"]: self.gold(e) for e in examples}
        metrics: dict[str, float] = {}
        for column, suffix in (("prediction", ""), (REBUILT, f"_{REBUILT}")):
            answers = {p["id"]: p[column] for p in predictions}
            exact, f1 = _scored(golds, answers, scorer, language)
            values = ((exact + f1) / 2, exact, f1)
            metrics |= {m + suffix: value for m, value in zip(METRICS, values, strict=True)}
        return len(golds), metrics


def _scored(
    golds: Mapping[str, list[str]], answers: Mapping[str, str], scorer: str, language: str
) -> AnswerScore:
    if scorer == "squad2":
        report = squad_v2(golds, answers)
        return AnswerScore(report["exact"], report["f1"])
    return mlqa(golds, answers, language) if scorer == "mlqa" else squad(golds, answers)


SCORING = SpanQAScoring()
