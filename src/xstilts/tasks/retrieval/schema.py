"""Retrieval: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from xstilts.config.task_schema import Row, TaskSchema
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa


class RetrievalSchema(TaskSchema):
    """Queries, and the candidates that answer them."""

    name = "retrieval"
    texts: ClassVar = ("text",)
    gold = "relevant"
    scorers: ClassVar = {
        "nearest": ("accuracy",),
        "bucc": ("f1", "precision", "recall"),
        "map20": ("map_at_20",),
    }
    trained_by_recipe = False
    rows_per_question = 2  # a query, and the candidate that is right
    guessed_tokens = 25

    def columns(self) -> pa.Schema:
        """``side`` is query or candidate; ``relevant`` names the ids of a query's candidates."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("side", pa.string(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
                pa.field("relevant", pa.list_(pa.string()), nullable=False),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The text."""
        return str(row["text"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """A side that is neither of the two."""
        if row["side"] not in ("query", "candidate"):
            yield unknown("side", row["side"], ["query", "candidate"])

    def faults_of_all(self, rows: Sequence[Row]) -> Iterator[str]:
        """Only queries, only candidates, or a right candidate that is not among the examples."""
        candidates = {row["id"] for row in rows if row["side"] == "candidate"}
        if not candidates or len(candidates) == len(rows):
            yield "needs both queries and candidates"
        for row in rows:
            for wanted in row["relevant"]:
                if wanted not in candidates:
                    yield f"example {row['id']!r}: no candidate has id {wanted!r}"

    def gold_faults(self, rows: Iterable[Row], scorer: str) -> Iterator[str]:
        """A query without a right candidate; most sentences of BUCC have no translation."""
        if scorer != "bucc":
            yield from super().gold_faults(rows, scorer)
        elif not any(row["relevant"] for row in rows):
            yield "no query has a right candidate to score"

    def is_question(self, row: Row) -> bool:
        """Candidates are the haystack, not what is asked."""
        return bool(row["side"] != "candidate")

    def named_by(self, row: Row) -> Sequence[str]:
        """The right candidates of a query."""
        return row["relevant"] or ()

    def with_prefix(self, row: Row, prefix: str) -> dict[str, Any]:
        """Also before the ids of a query's right candidates."""
        relevant = [f"{prefix}{name}" for name in row["relevant"]]
        return super().with_prefix(row, prefix) | {"relevant": relevant}

    def identity(self, row: Row) -> tuple[str, ...]:
        """A query and a candidate may have the same id."""
        return row["id"], row["side"]


SCHEMA = RetrievalSchema()
