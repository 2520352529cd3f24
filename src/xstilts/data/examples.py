"""Examples: the one schema of each task type, and the parquet files that hold them.

Readers turn every raw file into these rows; everything after them knows only these rows. A file
holds the examples of one task, split and language. Character offsets count Unicode code points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xstilts.errors import DataError
from xstilts.provenance.files import write_atomically
from xstilts.seeds import rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def joined(stamps: Sequence[Path]) -> list[Example]:
    """The examples of several stamps, one after the other.

    Parts of a task, or its translations, may use the same ids: with more than one stamp, the
    stamp's place is put before them, also where a query names its right candidates.
    """
    parts = [read(stamp.with_suffix(".parquet")) for stamp in stamps]
    if len(parts) == 1:
        return parts[0]
    return [_of_part(n, row) for n, part in enumerate(parts) for row in part]


def _of_part(number: int, row: Example) -> Example:
    told = {"id": f"{number}:{row['id']}"}
    if "relevant" not in row:
        return row | told
    return row | told | {"relevant": [f"{number}:{name}" for name in row["relevant"]]}


def subset(rows: list[Example], limit: int | None, task: str) -> list[Example]:
    """At most ``limit`` examples, drawn by a hash of their ids: the same in every study.

    Of retrieval so many queries, with the candidates that are right for them.
    """
    asked = [row for row in rows if row.get("side") != "candidate"]
    if limit is None or limit >= len(asked):
        return rows
    drawn = sorted(asked, key=lambda r: rank("subset", task, r["id"]))[:limit]
    chosen = {id(row) for row in drawn}
    right = {name for row in drawn for name in row.get("relevant", ())}
    return [row for row in rows if id(row) in chosen or _is_right(row, right)]


def _is_right(row: Example, names: set[str]) -> bool:
    return row.get("side") == "candidate" and row["id"] in names


Example = dict[str, Any]
"""One row, with the columns of its task type's schema."""

_ANSWER = pa.struct([("text", pa.string()), ("start", pa.int32())])
_BYTES = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_ANNOTATION = pa.struct(
    [("passage", pa.int32()), ("start", pa.int32()), ("end", pa.int32()), ("yes_no", pa.string())]
)

SCHEMAS: dict[str, pa.Schema] = {
    # one text, or a pair (premise, hypothesis); label is null where a benchmark hides it
    "classification": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("text_pair", pa.string()),
            pa.field("label", pa.string()),
        ]
    ),
    # each choice is read after the prompt; label is an index into choices
    "multiple_choice": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("prompt", pa.string(), nullable=False),
            pa.field("choices", pa.list_(pa.string()), nullable=False),
            pa.field("label", pa.int32()),
        ]
    ),
    # one tag a token
    "tagging": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("tokens", pa.list_(pa.string()), nullable=False),
            pa.field("tags", pa.list_(pa.string())),
        ]
    ),
    # no answers: the question is unanswerable
    "span_qa": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("context", pa.string(), nullable=False),
            pa.field("question", pa.string(), nullable=False),
            pa.field("answers", pa.list_(_ANSWER), nullable=False),
        ]
    ),
    # plain text, for masked language modelling
    "mlm": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
        ]
    ),
    # a question on a whole document. Offsets of passages and annotations are bytes of its UTF-8
    # form, -1 for none; an annotator's yes_no is yes, no or none
    "document_qa": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("question", pa.string(), nullable=False),
            pa.field("document", pa.string(), nullable=False),
            pa.field("passages", pa.list_(_BYTES), nullable=False),
            pa.field("annotations", pa.list_(_ANNOTATION), nullable=False),
        ]
    ),
    # side is "query" or "candidate"; relevant names the ids of a query's right candidates
    "retrieval": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("side", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("relevant", pa.list_(pa.string()), nullable=False),
        ]
    ),
}


def check(task_type: str, rows: list[Example], where: str) -> None:
    """Refuse rows that no task type could use: none at all, missing columns, or two with one id."""
    if not rows:
        raise DataError(f"{where}: holds no examples")
    columns = set(SCHEMAS[task_type].names)
    for number, row in enumerate(rows, start=1):
        if set(row) != columns:
            raise DataError(
                f"{where}: row {number} has columns {sorted(row)}, not {sorted(columns)}"
            )
    keys = [(row["id"], row.get("side")) for row in rows]
    if len(set(keys)) != len(keys):
        seen: set[tuple[str, str | None]] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DataError(f"{where}: two examples have the id {twice[0]!r}")


def write(path: Path, task_type: str, rows: Iterable[Example]) -> int:
    """Write examples as parquet, atomically; return how many. The same rows give the same bytes."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMAS[task_type])
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return int(table.num_rows)


def read(path: Path) -> list[Example]:
    """Read a file written by `write`."""
    try:
        rows: list[Example] = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error
    return rows


def first(rows: list[Example], limit: int | None) -> list[Example]:
    """The first examples; for retrieval the first queries that have one, and what is right."""
    if limit is None or "side" not in rows[0]:
        return rows[:limit]
    queries = [row for row in rows if row["relevant"]][:limit]
    right = {name for query in queries for name in query["relevant"]}
    return queries + [row for row in rows if row["side"] == "candidate" and row["id"] in right]
