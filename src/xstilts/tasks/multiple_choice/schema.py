"""Multiple choice: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


class MultipleChoiceSchema(TaskSchema):
    """Each choice is read after the prompt; the label is an index into the choices."""

    name = "multiple_choice"
    texts: ClassVar = ("prompt", "choices")
    gold = "label"
    scorers: ClassVar = {"accuracy": ("accuracy",)}
    is_classification = True
    guessed_tokens = 120
    prediction_bytes = 40
    transformers_class = "ForMultipleChoice"

    def columns(self) -> pa.Schema:
        """``label`` is null where a benchmark hides it."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("prompt", pa.string(), nullable=False),
                pa.field("choices", pa.list_(pa.string()), nullable=False),
                pa.field("label", pa.int32()),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The prompt."""
        return str(row["prompt"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """Fewer than two choices, or a label that points at none."""
        count = len(row["choices"])
        if count < 2:
            yield f"has {count} choices, needs at least 2"
        if row["label"] is not None and not 0 <= row["label"] < count:
            yield f"label {row['label']} points at none of the {count} choices (0 to {count - 1})"

    def labels_of(self, row: Row) -> Sequence[str | int]:
        """The label."""
        return () if row["label"] is None else (row["label"],)


SCHEMA = MultipleChoiceSchema()
