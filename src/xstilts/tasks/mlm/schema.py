"""Text for masked language modelling: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


class MlmSchema(TaskSchema):
    """Plain text, which is mixed into a training and never scored."""

    name = "mlm"
    texts: ClassVar = ("text",)
    scorers: ClassVar = {"none": ("loss",)}
    is_plain_text = True
    guessed_tokens = 128

    def columns(self) -> pa.Schema:
        """A text."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The text."""
        return str(row["text"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """White space alone."""
        if not row["text"].strip():
            yield "has no text"


SCHEMA = MlmSchema()
