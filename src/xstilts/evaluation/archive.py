"""The archive of an evaluation's predictions: a zip of ``<language>.parquet``, not compressed."""

from __future__ import annotations

import hashlib
import shutil
import struct
import zipfile
from typing import TYPE_CHECKING, Any

from xstilts.provenance.digests import file_crc32, file_sha256

if TYPE_CHECKING:
    from pathlib import Path


Listed = tuple[int, int]
"""What the directory of an archive says of a member: its CRC-32 and its bytes."""


def member_name(language: str) -> str:
    """The name of a language's predictions in the archive."""
    return f"{language}.parquet"


def described(file: Path) -> dict[str, Any]:
    """What a score records of its predictions, which lie in ``file``."""
    return {
        "sha256": file_sha256(file),
        "crc32": file_crc32(file),
        "bytes": file.stat().st_size,
    }


def member_sha256(whole: zipfile.ZipFile, language: str) -> str | None:
    """The sha256 of a language's predictions; None if they are missing or damaged."""
    try:
        with whole.open(member_name(language)) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return None


def member_bytes(whole: zipfile.ZipFile, language: str) -> bytes | None:
    """A language's predictions; None if they are missing or damaged.

    They are stored as they are: a compressed member, which may unpack to gigabytes, is not ours.
    """
    try:
        info = whole.getinfo(member_name(language))
        return whole.read(info) if info.compress_type == zipfile.ZIP_STORED else None
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return None


def add(whole: zipfile.ZipFile, language: str, stream: Any) -> None:
    """Append a language's predictions."""
    # the default time of a ZipInfo is 1980, so the archive holds no time of ours
    with whole.open(zipfile.ZipInfo(member_name(language)), "w") as out:
        shutil.copyfileobj(stream, out)


# --- the directory -------------------------------------------------------------------------------

_END = struct.Struct("<4s4H2LH")  # PKWARE APPNOTE 6.3, 4.3.16
_ENTRY = struct.Struct("<16x L 4x L 3H 12x")  # 4.3.12: CRC-32, size, lengths of what follows


def directory(path: Path) -> dict[str, Listed]:
    """The members of an archive by name, as its directory lists them; their bytes are not read.

    Empty if the file is missing, truncated or no archive of ours. `zipfile` would take half a
    second of CPU time for the 2,160 archives whose directories `xstilts status` reads.
    """
    if not path.is_file():  # a pipe would be waited for
        return {}
    try:
        with path.open("rb", buffering=0) as stream:
            size = stream.seek(-_END.size, 2)
            magic, *_, listed, length, offset, comment = _END.unpack(stream.read())
            if magic != b"PK\x05\x06" or comment:
                return {}
            if offset == 0xFFFFFFFF or listed == 0xFFFF:  # of more than 4 GiB or 65,534 members
                return _large_directory(path)
            if offset + length != size:
                return {}
            stream.seek(offset)
            found = _entries(stream.read(length))
    except (OSError, ValueError, struct.error, zipfile.BadZipFile):
        return {}
    return found if len(found) == listed else {}


def _entries(content: bytes) -> dict[str, Listed]:
    found, place, entry = {}, 0, _ENTRY.unpack_from
    while place < len(content):
        crc32, size, name, extra, comment = entry(content, place)
        start = place + _ENTRY.size
        place = start + name
        found[content[start:place].decode()] = crc32, size
        place += extra + comment
    return found


def _large_directory(path: Path) -> dict[str, Listed]:
    with zipfile.ZipFile(path) as whole:
        members = whole.infolist()
    found = {member.filename: (member.CRC, member.file_size) for member in members}
    return found if len(found) == len(members) else {}
