"""Tagging: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema
from xstilts.errors import unknown
from xstilts.tasks.tagging.labels import label_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


class TaggingSchema(TaskSchema):
    """One tag a token; the tags are null where a benchmark hides them."""

    name = "tagging"
    texts: ClassVar = ("tokens",)
    gold = "tags"
    scorers: ClassVar = {
        "span_f1": ("f1", "precision", "recall"),
        "seqeval": ("f1", "precision", "recall"),
        "seqeval_strict": ("f1", "precision", "recall"),
        "chunk_f1_upos": ("f1", "precision", "recall", "accuracy"),
        "token_accuracy": ("accuracy",),
    }
    needs_labels = True
    is_classification = True
    guessed_tokens = 35
    prediction_bytes = 90
    transformers_class = "ForTokenClassification"

    def columns(self) -> pa.Schema:
        """Words and their tags."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("tokens", pa.list_(pa.string()), nullable=False),
                pa.field("tags", pa.list_(pa.string())),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The sentence."""
        return " ".join(row["tokens"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """No tokens, another number of tags than tokens, or a tag that the card does not list."""
        if not row["tokens"]:
            yield "has no tokens"
        if row["tags"] is None:
            return
        if len(row["tags"]) != len(row["tokens"]):
            yield f"has {len(row['tokens'])} tokens but {len(row['tags'])} tags"
        yield from (unknown("tag", tag, labels) for tag in set(row["tags"]).difference(labels))

    def label_faults(self, labels: Sequence[str], scorer: str) -> Iterator[str]:
        """Labels that the scorer reads as something else (`xstilts.tasks.tagging.labels`)."""
        return label_faults(labels, scorer)

    def labels_of(self, row: Row) -> Sequence[str | int]:
        """The tags."""
        return row["tags"] or ()


SCHEMA = TaggingSchema()
