"""Span question answering: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

METRICS = ("em_f1", "exact_match", "f1")
REBUILT = "legacy_words"
"""Suffix of the metrics of answers that are rebuilt from whitespace words, and their column."""
_METRICS_OF_BOTH = (*METRICS, *(f"{metric}_{REBUILT}" for metric in METRICS))


class SpanQASchema(TaskSchema):
    """A question on a context; without answers it is unanswerable (SQuAD 2.0)."""

    name = "span_qa"
    texts: ClassVar = ("context", "question")
    gold = "answers"
    scorers: ClassVar = dict.fromkeys(("squad", "mlqa", "squad2"), _METRICS_OF_BOTH)
    guessed_tokens = 250
    prediction_bytes = 120
    transformers_class = "ForQuestionAnswering"

    def columns(self) -> pa.Schema:
        """An answer's ``start`` counts code points of the context."""
        import pyarrow as pa

        answer = pa.struct([("text", pa.string()), ("start", pa.int32())])
        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("context", pa.string(), nullable=False),
                pa.field("question", pa.string(), nullable=False),
                pa.field("answers", pa.list_(answer), nullable=False),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The context."""
        return str(row["context"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """An answer that the context does not have at its place."""
        for answer in row["answers"]:
            start, text = answer["start"], answer["text"]
            if not text or start < 0 or not row["context"].startswith(text, start):
                yield f"the answer {text!r:.60} is not in the context at {start}"

    def gold_faults(self, rows: Iterable[Row], scorer: str) -> Iterator[str]:
        """A question without answers, except in SQuAD 2.0, where that is the right answer."""
        return iter(()) if scorer == "squad2" else super().gold_faults(rows, scorer)


SCHEMA = SpanQASchema()
