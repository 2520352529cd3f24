"""Parquet files, read only if what they hold is in proportion to their bytes.

A few kilobytes of parquet can decode to gigabytes: pages of zeros, or one long text that a million
rows refer to. The header of each page says how much it unpacks to and how many values it holds.
These are added up before a page is unpacked (sizes in the file's footer, which may lie, are not
asked), and rows are read in batches whose decoded bytes are added up as well.

Layout: the format's ``parquet.thrift``; its structs are in Thrift's compact protocol.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PLENTY = 2**28
"""Decoded bytes that any file may have."""
MOST_TIMES = 200
"""Decoded bytes that a larger file may have, as a multiple of its own bytes."""
_MOST_ROWS = 4096
_BYTES_OF_A_VALUE = 8
_LONGEST_HEADER = 2**16


class OutOfProportion(pa.ArrowInvalid):  # type: ignore[misc]
    """A parquet file that decodes to far more than its bytes, or whose pages are damaged."""


def read(source: Path | bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a file, or some columns of it.

    Raises `OutOfProportion`, another `pa.ArrowInvalid` or `OSError`. It is read in one thread:
    pyarrow's threads take eight times the CPU time for a small file.
    """
    with _opened(source) as (file, most, rows):
        schema = file.schema_arrow
        if columns is not None:
            if absent := [name for name in columns if name not in schema.names]:
                raise pa.ArrowInvalid(f"no column {absent[0]!r}")
            schema = pa.schema([schema.field(name) for name in columns])
        table = pa.Table.from_batches(_batches(file, most, rows, columns), schema)
        table.validate(full=True)
        return table


def rows(source: Path | bytes) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, some at a time; raises as `read` does."""
    with _opened(source) as (file, most, together):
        for batch in _batches(file, most, together, None):
            yield from batch.to_pylist()


@contextmanager
def _opened(source: Path | bytes) -> Iterator[tuple[pq.ParquetFile, int, int]]:
    """The file, the bytes that it may decode to, and the rows that may be decoded together."""
    if not isinstance(source, bytes) and source.exists() and not source.is_file():
        raise OSError(errno.EINVAL, "not an ordinary file", str(source))  # a pipe may never end
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        size = stream.seek(0, 2)
        most = max(PLENTY, MOST_TIMES * size)
        content = pa.BufferReader(source) if isinstance(source, bytes) else source
        try:
            with pq.ParquetFile(content) as file:
                largest = _check_pages(stream, size, most)
                yield file, most, min(max(most // largest, 1), _MOST_ROWS)
        except (pa.ArrowException, ValueError, ArithmeticError, LookupError, TypeError) as error:
            if isinstance(error, pa.ArrowInvalid):
                raise
            raise pa.ArrowInvalid(f"{type(error).__name__}: {error}") from error


def _batches(
    file: pq.ParquetFile, most: int, rows: int, columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    decoded = 0
    for batch in file.iter_batches(rows, columns=columns, use_threads=False):
        decoded += batch.nbytes
        if decoded > most:
            raise _too_large(most)
        yield batch


# --- pages ---------------------------------------------------------------------------------------


class _Page(NamedTuple):
    """What the header of a page says: bytes when unpacked and as stored, and the values in it."""

    unpacked: int
    stored: int
    values: int


def _check_pages(stream: BinaryIO, size: int, most: int) -> int:
    """Add up what all pages unpack to; return the size of the largest, at least 1.

    No value is longer than its page, so ``most // largest`` rows of one value fit. pyarrow's own
    view of a damaged footer is not asked: it can end the process.
    """
    total, largest = 0, 1
    try:
        for first, end in _chunks(stream, size):
            for page in _pages(stream, first, end):
                total += page.unpacked + _BYTES_OF_A_VALUE * page.values
                largest = max(largest, page.unpacked)
                if total > most:
                    raise _too_large(most)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OutOfProportion("its footer or the header of a page is damaged") from error
    return largest


def _too_large(most: int) -> OutOfProportion:
    return OutOfProportion(
        f"it decodes to more than {most:,} bytes, which is out of proportion to its own size"
    )


def _chunks(stream: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Where the pages of each column of each row group begin and end, by the file's footer."""
    stream.seek(size - 8)
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(max(size - 8 - length, 0))
    footer, _ = _struct(stream.read(length), 0)
    for group in footer[4]:
        for chunk in group[1]:
            about = chunk[3]
            # where the data and the dictionary begin; 0 if there are none, as in a table of no rows
            first = min(filter(None, (about[9], about.get(11, 0))), default=0)
            if first:
                yield first, first + about[7]


def _pages(stream: BinaryIO, place: int, end: int) -> Iterator[_Page]:
    """The pages of a column chunk, one behind the other."""
    while place < end:
        stream.seek(place)
        header, length = _struct(stream.read(_LONGEST_HEADER), 0)
        about = header.get(5) or header.get(7) or header.get(8) or {}
        page = _Page(header[2], header[3], about.get(1, 0))
        if min(page) < 0:
            raise OutOfProportion(f"the header of a page at byte {place} has a negative size")
        yield page
        place += length + page.stored


def _struct(data: bytes, place: int) -> tuple[dict[int, Any], int]:
    """A struct's fields by their numbers, and where it ends; texts and fractions are None."""
    fields: dict[int, Any] = {}
    number = 0
    while head := data[place]:
        place += 1
        if step := head >> 4:
            number += step
        else:
            number, place = _integer(data, place)
        fields[number], place = _value(data, place, head & 15)
    return fields, place + 1


def _value(data: bytes, place: int, kind: int) -> tuple[Any, int]:
    match kind:
        case 1 | 2:  # true, false
            return kind == 1, place
        case 3:
            return data[place], place + 1
        case 4 | 5 | 6:  # whole numbers of 16, 32 and 64 bits
            return _integer(data, place)
        case 7:
            return None, place + 8
        case 8:
            length, place = _unsigned(data, place)
            return None, place + length
        case 9:
            return _list(data, place)
        case 12:
            return _struct(data, place)
    raise TypeError(f"no value of a parquet file is of type {kind}")


def _list(data: bytes, place: int) -> tuple[list[Any], int]:
    head, place = data[place], place + 1
    count, kind = head >> 4, head & 15
    if count == 15:
        count, place = _unsigned(data, place)
    values = []
    for _ in range(count):
        value, place = _value(data, place, 3 if kind < 3 else kind)  # a truth value takes a byte
        values.append(value)
    return values, place


def _integer(data: bytes, place: int) -> tuple[int, int]:
    coded, place = _unsigned(data, place)
    return (coded >> 1) ^ -(coded & 1), place


def _unsigned(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise TypeError("a number of more than 64 bits")
