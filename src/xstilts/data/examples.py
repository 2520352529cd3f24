"""Examples, and the parquet files that hold them.

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

    from xstilts.config.task_schema import TaskSchema


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
"""One row, with the columns of its task type: `xstilts.config.task_schema.TaskSchema.columns`."""


def write(path: Path, schema: TaskSchema, rows: Iterable[Example]) -> int:
    """Write examples as parquet, atomically; return how many. The same rows give the same bytes."""
    table = pa.Table.from_pylist(list(rows), schema=schema.columns())
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
