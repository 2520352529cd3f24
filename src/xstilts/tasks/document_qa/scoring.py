"""Document question answering: TyDi QA's official scores, from predictions; without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.metrics.tydiqa import Annotation, Prediction, minimal_answers, select_passages
from xstilts.tasks.document_qa.schema import MEASURES, SCHEMA, TASKS
from xstilts.tasks.scoring import TaskScoring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.scoring import PredictionRow


class DocumentQAScoring(TaskScoring):
    """F1 of passage selection and of minimal answers."""

    schema = SCHEMA
    columns = ("id", "annotations")

    def score(
        self,
        examples: Sequence[Example],
        predictions: Sequence[PredictionRow],
        scorer: str,
        language: str,
    ) -> tuple[int, dict[str, float]]:
        """F1, precision and recall of both tasks, each at its best threshold for this language."""
        golds = {e["id"]: [_annotation(a) for a in e["annotations"]] for e in examples}
        said = {p["id"]: _prediction(p) for p in predictions}
        found = (select_passages(golds, said), minimal_answers(golds, said))
        return len(golds), {
            f"{task}_{measure}": getattr(best, measure)
            for task, best in zip(TASKS, found, strict=True)
            for measure in MEASURES
        }


def _annotation(given: Mapping[str, Any]) -> Annotation:
    return Annotation(given["passage"], given["start"], given["end"], given["yes_no"])


def _prediction(row: Mapping[str, Any]) -> Prediction:
    confidence = row["score"]
    return Prediction(
        row["passage"], row["start"], row["end"], row["yes_no"], confidence, confidence
    )


SCORING = DocumentQAScoring()
