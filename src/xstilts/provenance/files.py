"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from xstilts.errors import DataError, LineageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.provenance.digests import Json


def _read_umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success, sync and rename it to ``path``.

    Readers of ``path`` never see a half-written file, and a failure leaves no file behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")  # unique for each writer
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # some writers make private files
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Raise a `DataError` that says what to do if ``path`` cannot be written.

    For a full disk, a folder without permission, a read-only file system.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(
            f"{path}: cannot be written ({reason}); free space on the disk, or make "
            f"{error.filename or path.parent} writable, then run again"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Json) -> None:
    """Write a JSON file atomically, as `json_text` gives it."""
    write_text(path, json_text(value))


def json_text(value: Json) -> str:
    """JSON for people: indented, sorted, the same text every time."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


LARGEST_JSON = 2**26
"""Bytes of the largest JSON file that is read; the stamp of 100,000 files has 20 million."""


def read_bytes(path: Path, most: int = LARGEST_JSON) -> bytes:
    """The bytes of an ordinary file.

    Raises `OSError` where there is none: also for a pipe or a device, whose reading might never
    end, and for a file of more than ``most`` bytes.
    """
    with open(path, "rb", opener=_without_waiting) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file", str(path))
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
        return stream.read()


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe without a writer would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse_json(content: bytes | str) -> Json:
    """The value of a JSON text in UTF-8; raises `ValueError` that says what is wrong with it.

    Refused, beside what is not JSON: a key that an object gives twice, of which other programs take
    another value, NaN and infinite numbers, half characters (``"\\ud800"``), which cannot be
    written again, and lists or objects that are nested a thousand deep.
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=distinct)
        if _HALF_CHARACTER.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None
    return value


class KeyTwice(ValueError):
    """A JSON object gives a key twice."""


def distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """The object of some keys and values; raises `KeyTwice` for a key that is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise KeyTwice(f"the key {twice!r:.80} is given twice; delete one of them")
    return found


_HALF_CHARACTER = re.compile(r"\\u[dD][89abAB-F]")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def read_json(path: Path) -> Json:
    """Read a JSON file; raise `LineageError` with its path if it is missing or damaged."""
    try:
        return parse_json(read_bytes(path))
    except (OSError, ValueError) as error:
        raise LineageError(f"{path}: cannot be read as JSON ({error})") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Read the object of a JSON file; an empty dict if the file is missing or damaged."""
    try:
        value = read_json(path)
    except LineageError:
        return {}
    return value if isinstance(value, dict) else {}
