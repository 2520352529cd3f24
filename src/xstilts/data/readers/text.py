"""Functions of all readers: bytes to lines, lines to JSON, errors that name file and line."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import reprlib
import zlib
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from xstilts.errors import MalformedFile
from xstilts.provenance.files import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
LONGEST_LINE = 64 * 2**20
"""Bytes of the longest line. A whole article of Wikipedia in JSON has a few million."""
LARGEST_VALUE = 512 * 2**20
"""Bytes of the largest file that is read as one JSON or XML value."""
_BOM = b"\xef\xbb\xbf"
_UTF8 = "utf-8"


def _shortener() -> reprlib.Repr:
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short


shown = _shortener().repr
"""A value of a file as an error message shows it: bounded in length and depth."""


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


def read_whole(path: Path) -> bytes:
    """All bytes of a file that is one value, uncompressed and without a byte order mark.

    Raises `MalformedFile` for a file of more than `LARGEST_VALUE` bytes.
    """
    with open_bytes(path) as stream:
        content = stream.read(LARGEST_VALUE + 1)
    if len(content) > LARGEST_VALUE:
        raise MalformedFile(
            path, None, f"has more than {LARGEST_VALUE:,} bytes, which is too much for one value"
        )
    return content.removeprefix(_BOM)


def lines(path: Path, errors: str = "strict", encoding: str = _UTF8) -> Iterator[tuple[int, str]]:
    r"""Yield (line number, line) of a text file.

    Lines end at ``\n`` only: `str.splitlines` and text mode would also cut at U+2028, U+0085 and
    others, which occur inside real sentences (Tatoeba, MLQA) and would shift line-aligned files.
    One trailing carriage return and a byte order mark are dropped. ``errors`` is `bytes.decode`'s.
    Raises `MalformedFile` for bytes that are not of the encoding, and for a line of more than
    `LONGEST_LINE` bytes.
    """
    numbered = _utf8_lines(path, errors) if _is_utf8(encoding) else _other(path, errors, encoding)
    for number, line in numbered:
        yield number, line.removesuffix("\n").removesuffix("\r")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == _UTF8


def _utf8_lines(path: Path, errors: str) -> Iterator[tuple[int, str]]:
    with open_bytes(path) as stream:  # line by line: a million descriptions are some gigabytes
        for number, raw in byte_lines(stream, path):
            content = raw.removeprefix(_BOM) if number == 1 else raw
            try:
                row = content.decode(_UTF8, errors)
            except UnicodeDecodeError as error:
                raise MalformedFile(
                    path,
                    number,
                    f"not UTF-8 at byte {error.start} of the line; "
                    "the reader's option `encoding` names another encoding, if it has that option",
                ) from error
            if row:  # a byte order mark alone is not a line
                yield number, row


def _other(path: Path, errors: str, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines of any encoding, such as UTF-16, whose line feed is not one byte."""
    with (
        open_bytes(path) as stream,
        io.TextIOWrapper(stream, encoding, errors, newline="\n") as text,
    ):
        for number in count(1):
            try:
                line = text.readline(LONGEST_LINE)
            except UnicodeError as error:
                raise MalformedFile(path, number, f"not {encoding}: {error}") from error
            if not line:
                return
            if len(line) >= LONGEST_LINE:
                raise _too_long(path, number)
            yield number, line.removeprefix("\ufeff") if number == 1 else line


def byte_lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line with its line feed); an endless line is an error, not a crash."""
    for number in count(1):
        line = stream.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) >= LONGEST_LINE:
            raise _too_long(path, number)
        yield number, line


def _too_long(path: Path, number: int) -> MalformedFile:
    return MalformedFile(path, number, f"the line has more than {LONGEST_LINE:,} bytes")


# --- JSON ----------------------------------------------------------------------------------------


def parse_json(text: str, path: Path, line: int | None) -> Any:
    r"""The value of a JSON text; ``line`` is its first line, None if the text is the whole file.

    Raises `MalformedFile` with the line for what is not JSON, for a key that an object gives twice,
    and for what a Python value or a parquet file cannot hold: numbers of thousands of digits, half
    of a surrogate pair (``"\ud83d"``), values that are nested too deeply. NaN passes, because
    AfriQA has it in columns that nobody reads.
    """
    try:
        value = json.loads(text, object_pairs_hook=distinct)
    except json.JSONDecodeError as error:
        raise MalformedFile(path, line or error.lineno, f"not JSON: {error.msg}") from error
    except ValueError as error:
        raise MalformedFile(path, line, f"not JSON: {error}") from error
    except RecursionError as error:
        raise MalformedFile(path, line, "not JSON: nested too deeply") from error
    if "\\ud" in text or "\\uD" in text:  # elsewhere UTF-8 has refused surrogates already
        _refuse_surrogates(value, path, line)
    return value


def _refuse_surrogates(value: Any, path: Path, line: int | None) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(error.start - 20, 0) : error.end + 20]
        raise MalformedFile(
            path, line, f"half of a surrogate pair, which is no character: {around!a}"
        ) from error


def json_value(path: Path) -> Any:
    """The one JSON value of a file; raises `MalformedFile`."""
    content = read_whole(path)
    try:
        text = content.decode(_UTF8)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MalformedFile(path, line, "not UTF-8") from error
    return parse_json(text, path, None)


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a file with one JSON object a line; skip blank lines."""
    for number, line in lines(path):
        if not line.strip():
            continue
        value = parse_json(line, path, number)
        if not isinstance(value, dict):
            raise MalformedFile(
                path, number, f"expected a JSON object, found {type(value).__name__}"
            )
        yield number, value


# --- parquet -------------------------------------------------------------------------------------


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row) of a parquet file, a few thousand rows at a time.

    Raises `MalformedFile` for a damaged file, with the first row that could not be read, and for
    one that decodes to far more than its bytes.
    """
    import pyarrow as pa

    from xstilts.data import parquet

    number = 0
    try:
        for row in parquet.rows(path):
            number += 1
            yield number, row
    except OSError as error:
        if error.errno is not None:  # of the operating system; pyarrow's own have no number
            raise
        raise _damaged_parquet(path, number, error) from error
    except pa.ArrowException as error:
        raise _damaged_parquet(path, number, error) from error


def _damaged_parquet(path: Path, read: int, error: Exception) -> MalformedFile:
    after = f"; damaged after row {read}" if read else ""
    problem = " ".join(str(error).split())
    return MalformedFile(path, None, f"not a parquet file ({problem:.200}){after}")


# --- values and parts ----------------------------------------------------------------------------


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
        names = ", ".join(map(str, record))
        raise MalformedFile(path, line, f"{prefix}no {key!r}; found {names:.200}")
    value = record[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(k.__name__ for k in kinds)
        raise MalformedFile(path, line, f"{prefix}{key!r}: expected {wanted}, found {shown(value)}")
    return value


def whole_number(text: str) -> int | None:
    """A number in at most nine ASCII digits; None if the text is anything else.

    `int` takes the digits of all scripts, underscores and white space, and thousands of digits
    raise an error of their own.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


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
