"""Question answering over documents: the columns of its examples, and what is wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xstilts.config.task_schema import Row, TaskSchema
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

TASKS, MEASURES = ("passage", "minimal"), ("f1", "precision", "recall")


class DocumentQASchema(TaskSchema):
    """A question on a whole document, answered by several annotators.

    Offsets of passages and annotations are bytes of the document's UTF-8 form, -1 for none; an
    annotator's ``yes_no`` is yes, no or none.
    """

    name = "document_qa"
    texts: ClassVar = ("question", "document")
    gold = "annotations"
    scorers: ClassVar = {
        "tydi": tuple(f"{task}_{measure}" for task in TASKS for measure in MEASURES)
    }
    guessed_tokens = 8000
    prediction_bytes = 120

    def columns(self) -> pa.Schema:
        """The passages are the candidates for an answer's place."""
        import pyarrow as pa

        passage = pa.struct([("start", pa.int32()), ("end", pa.int32())])
        annotation = pa.struct(
            [
                ("passage", pa.int32()),
                ("start", pa.int32()),
                ("end", pa.int32()),
                ("yes_no", pa.string()),
            ]
        )
        return pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("question", pa.string(), nullable=False),
                pa.field("document", pa.string(), nullable=False),
                pa.field("passages", pa.list_(passage), nullable=False),
                pa.field("annotations", pa.list_(annotation), nullable=False),
            ]
        )

    def comparable_text(self, row: Row) -> str:
        """The document."""
        return str(row["document"])

    def faults(self, row: Row, labels: Sequence[str]) -> Iterator[str]:
        """Offsets outside of the document, or an annotation that no passage or word fits."""
        size = len(row["document"].encode())
        for name, items in (("passage", row["passages"]), ("annotation", row["annotations"])):
            for number, item in enumerate(items):
                start, end = item["start"], item["end"]
                if not (0 <= start < end <= size or start == end == -1):
                    yield f"{name} {number} spans bytes {start} to {end} of a document of {size}"
        passages = len(row["passages"])
        for number, item in enumerate(row["annotations"]):
            if not -1 <= item["passage"] < passages:
                yield f"annotation {number} names passage {item['passage']} of {passages}"
            if item["yes_no"] not in ("yes", "no", "none"):
                yield unknown("yes_no answer", item["yes_no"], ["yes", "no", "none"])


SCHEMA = DocumentQASchema()
