"""Functions of all readers: bytes to lines, lines to JSON, errors that name file and line."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, uncompressed if its magic bytes are those of gzip."""
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked, io.BufferedReader(unpacked) as stream:
                yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise MalformedFile(path, None, f"damaged gzip data ({error})") from error


def lines(path: Path, errors: str = "strict") -> Iterator[tuple[int, str]]:
    r"""Yield (line number, line) of a UTF-8 file.

    Lines end at ``\n`` only: `str.splitlines` and text mode would also cut at U+2028, U+0085 and
    others, which occur inside real sentences (Tatoeba, MLQA) and would shift line-aligned files.
    One trailing carriage return and a byte order mark are dropped. ``errors`` is `bytes.decode`'s.
    """
    with open_bytes(path) as stream:  # line by line: a million descriptions are some gigabytes
        for number, raw in enumerate(stream, start=1):
            content = raw.removeprefix(_BOM) if number == 1 else raw
            try:
                row = content.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                place = error.start
                raise MalformedFile(
                    path, number, f"not UTF-8 at byte {place} of the line"
                ) from error
            if row:  # a byte order mark alone is not a line
                yield number, row.removesuffix("\n").removesuffix("\r")


def json_value(path: Path) -> Any:
    """The one JSON value of a file."""
    with open_bytes(path) as stream:
        content = stream.read().removeprefix(_BOM)
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MalformedFile(path, line, "not UTF-8") from error
    except json.JSONDecodeError as error:
        raise MalformedFile(path, error.lineno, f"not JSON: {error.msg}") from error
    except RecursionError as error:
        raise MalformedFile(path, None, "not JSON: nested too deeply") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a file with one JSON object a line; skip blank lines."""
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise MalformedFile(path, number, f"not JSON: {error.msg}") from error
        except RecursionError as error:
            raise MalformedFile(path, number, "not JSON: nested too deeply") from error
        if not isinstance(value, dict):
            raise MalformedFile(
                path, number, f"expected a JSON object, found {type(value).__name__}"
            )
        yield number, value


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row) of a parquet file, a few thousand rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=4096):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pa.ArrowException as error:
        raise MalformedFile(path, None, f"not a parquet file ({error})") from error


def field(
    record: object, key: str, kind: type | tuple[type, ...], path: Path, line: int | None, at: str
) -> Any:
    """``record[key]``, which must be of a ``kind``; ``at`` says where in the file the record is.

    Raises `MalformedFile`.
    """
    prefix = f"{at}: " if at else ""
    if not isinstance(record, dict):
        raise MalformedFile(
            path, line, f"{prefix}expected an object, found {type(record).__name__}"
        )
    if key not in record:
        raise MalformedFile(path, line, f"{prefix}no {key!r}; found {', '.join(map(str, record))}")
    value = record[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        raise MalformedFile(path, line, f"{prefix}{key!r}: expected {wanted}, found {value!r:.60}")
    return value


def part(files: Mapping[str, Path], name: str) -> Path:
    """The file of a part that a reader needs; raises `MalformedFile` if the card has none."""
    if name not in files:
        raise MalformedFile(
            ", ".join(map(str, files.values())),
            None,
            f"the card has no part {name!r}; its parts: {', '.join(files)}",
        )
    return files[name]


def same_length(path: Path, rows: int, other: Path, others: int) -> None:
    """Raise `MalformedFile` if two files that should be line-aligned have different lengths."""
    if rows != others:
        raise MalformedFile(path, None, f"has {rows} rows, but {other} has {others}")


def in_order(files: Mapping[str, Path]) -> Iterable[tuple[str, Path]]:
    """The parts in the order of their names, in which the readers read them."""
    return sorted(files.items())
