"""Examples: rows, and the parquet files that hold them.

Readers turn every raw file into these rows; everything after them knows only these rows. A file
holds the examples of one task, split and language. Character offsets count Unicode code points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xstilts.data import parquet
from xstilts.errors import DataError
from xstilts.provenance.files import write_atomically
from xstilts.seeds import order_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from xstilts.config.task_schema import TaskSchema


Example = dict[str, Any]
"""One row, with the columns of its task type: `xstilts.config.task_schema.TaskSchema.columns`."""


def write(path: Path, schema: TaskSchema, rows: Iterable[Example]) -> int:
    """Write examples as parquet, atomically; return their number.

    The same rows give the same bytes.
    """
    table = pa.Table.from_pylist(list(rows), schema=schema.columns())
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return int(table.num_rows)


def read(path: Path) -> list[Example]:
    """Read a file that `write` wrote; raises `DataError` if it is damaged or missing."""
    try:
        table = parquet.read(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error
    rows: list[Example] = table.to_pylist()
    return rows


def concatenated(schema: TaskSchema, stamps: Sequence[Path]) -> list[Example]:
    """The examples of several stamps, one after the other.

    Parts of a task, or its translations, may use the same ids: with more than one stamp, the number
    of the stamp precedes every id.
    """
    parts = [read(stamp.with_suffix(".parquet")) for stamp in stamps]
    if len(parts) == 1:
        return parts[0]
    return [
        schema.with_prefix(row, f"{number}:") for number, part in enumerate(parts) for row in part
    ]


def subset(schema: TaskSchema, rows: list[Example], limit: int | None, task: str) -> list[Example]:
    """At most ``limit`` examples, drawn by a hash of their ids: the same in every study.

    For retrieval: ``limit`` queries and their relevant candidates.
    """
    questions = [row for row in rows if schema.is_question(row)]
    if limit is None or limit >= len(questions):
        return rows
    drawn = sorted(questions, key=lambda row: order_key("subset", task, row["id"]))[:limit]
    chosen = {id(row) for row in drawn}
    named = {name for row in drawn for name in schema.named_by(row)}
    return [
        row
        for row in rows
        if id(row) in chosen or (not schema.is_question(row) and row["id"] in named)
    ]


def first(schema: TaskSchema, rows: list[Example], limit: int | None) -> list[Example]:
    """The first ``limit`` examples.

    For retrieval: the first ``limit`` queries with a relevant candidate, and these candidates.
    """
    others = [row for row in rows if not schema.is_question(row)]
    if limit is None or not others:
        return rows[:limit]
    questions = [row for row in rows if schema.is_question(row) and schema.named_by(row)][:limit]
    named = {name for row in questions for name in schema.named_by(row)}
    return questions + [row for row in others if row["id"] in named]
