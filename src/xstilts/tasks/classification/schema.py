"""Classification: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


class ClassificationSchema(TaskSchema):
    """One text, or a pair (premise, hypothesis); the label is null where a benchmark hides it."""

    name = "classification"
    texts: ClassVar = ("text", "text_pair")
    gold = "label"
    scorers: ClassVar = {"accuracy": ("accuracy",)}
    needs_labels = True
    is_classification = True
    guessed_tokens = 50
    transformers_class = "ForSequenceClassification"

    def columns(self) -> pa.Schema:
        """``text_pair`` is null where there is one text."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
                pa.field("text_pair", pa.string()),
                pa.field("label", pa.string()),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """Both texts."""
        return f"{row['text']} {row['text_pair'] or ''}"

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """A label that the card does not list."""
        if row["label"] is not None and row["label"] not in labels:
            yield unknown("label", row["label"], labels)

    def labels_of(self, row: Row) -> Sequence[str | int]:
        """The label."""
        return () if row["label"] is None else (row["label"],)


SCHEMA = ClassificationSchema()
