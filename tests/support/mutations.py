"""Damaged and foreign versions of small files, the same for the same seed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from random import Random

TOKENS = (
    b"",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\t",
    b'"',
    b'""',
    b",",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\xbd",
    "\u2028".encode(),
    b"\\ud83d",
    b"\\u0000",
    b"NaN",
    b"-Infinity",
    b"null",
    b"true",
    b"-1",
    b"1.5",
    b"1e999",
    b"9" * 20,
    b"9" * 5_000,
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"{}",
    b"[]",
    b"1-99999999999",
    b"1-9",
    b"../../x",
    b"<",
    b'<?xml version="1.0" encoding="foo"?>',
    b'<!ENTITY a "b">',
    b"&a;",
    b"None",
    b"{0}",
)
"""Pieces that have confused readers of files."""
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    1.5,
    float("nan"),
    "",
    " ",
    "None",
    "0",
    "false",
    "x" * 5_000,
    "\ud83d",
    [],
    [None],
    [[]],
    ["a", 1],
    {},
    {"a": None},
)
"""Values of JSON that stand where others are expected."""


def damaged(content: bytes, random: Random) -> bytes:
    """The bytes with one to four faults."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(_DAMAGES)(content, random)
    return content


def foreign_json(content: bytes, random: Random) -> bytes:
    """JSON, or lines of it, with one value replaced, dropped or repeated."""
    try:
        values = [json.loads(content)]
        end = b""
    except ValueError:
        values, end = [json.loads(line) for line in content.splitlines()], b"\n"
    _change(random.choice(values), random)
    return b"".join(json.dumps(value).encode() + end for value in values)


def foreign_parquet(content: bytes, random: Random) -> bytes:
    """A parquet file whose rows have one value replaced, where a column can hold it."""
    rows = pq.read_table(io.BytesIO(content)).to_pylist()
    column = random.choice(list(rows[0]))
    value = random.choice(VALUES)
    for row in rows:
        row[column] = value
    stream = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pylist(rows), stream)
    except (pa.ArrowException, UnicodeError, OverflowError):  # no parquet file has such a value
        pq.write_table(pa.table({"a": [1]}), stream)
    return stream.getvalue()


def _change(value: Any, random: Random) -> None:
    """Change one member somewhere inside a value."""
    if isinstance(value, dict) and value:
        key: Any = random.choice(list(value))
    elif isinstance(value, list) and value:
        key = random.randrange(len(value))
    else:
        return
    if isinstance(value[key], dict | list) and value[key] and random.random() < 0.75:
        _change(value[key], random)
    elif random.random() < 0.15:
        del value[key]
    elif isinstance(value, list) and random.random() < 0.2:
        value.append(value[key])
    else:
        value[key] = random.choice(VALUES)


def _span(content: bytes, random: Random) -> tuple[int, int]:
    begin = random.randrange(len(content) + 1)
    return begin, min(begin + random.choice((1, 1, 2, 8, 64)), len(content))


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 3, 20))):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _delete(content: bytes, random: Random) -> bytes:
    begin, end = _span(content, random)
    return content[:begin] + content[end:]


def _replace(content: bytes, random: Random) -> bytes:
    begin, end = _span(content, random)
    return content[:begin] + random.choice(TOKENS) + content[end:]


def _insert(content: bytes, random: Random) -> bytes:
    begin, _ = _span(content, random)
    return content[:begin] + random.choice(TOKENS) + content[begin:]


def _truncate(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _repeat_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    lines.insert(random.randrange(len(lines) + 1), random.choice(lines))
    return b"".join(lines)


def _drop_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    del lines[random.randrange(len(lines))]
    return b"".join(lines)


def _replace_cell(content: bytes, random: Random) -> bytes:
    """A cell between tabs, the whole of it."""
    cells = content.split(b"\t")
    cells[random.randrange(len(cells))] = random.choice(TOKENS)
    return b"\t".join(cells)


_DAMAGES = (_flip, _delete, _replace, _insert, _truncate, _repeat_line, _drop_line, _replace_cell)
