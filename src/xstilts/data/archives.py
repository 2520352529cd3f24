"""Packed files: gzip and bzip2 streams, and single members of zip and tar archives.

Everything is read as data. A member's name inside an archive is never used as a path.
Both functions let the `OSError` of a full disk pass: no other source could be written either.
"""

from __future__ import annotations

import bz2
import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from xstilts.data.readers.text import GZIP_MAGIC
from xstilts.errors import DataError, SourceUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import SupportsRead

BZIP2_MAGIC = b"BZh"
_DAMAGE = (EOFError, OSError, zlib.error, tarfile.TarError, zipfile.BadZipFile)


class DamagedFile(SourceUnavailable):
    """A packed file that cannot be unpacked."""


def inside(path: str) -> PurePosixPath:
    """A path of a card that stays inside its folder; raises `DataError` otherwise."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise DataError(f"path: {path!r} must stay inside its folder: relative and without '..'")
    return pure


def unpack(source: Path, target: Path) -> None:
    """Copy a file, uncompressed if its magic bytes are those of gzip or bzip2.

    Raises `DamagedFile`, or `SourceUnavailable` if the file cannot be read.
    """
    try:
        with source.open("rb") as stream:
            magic = stream.read(3)
    except OSError as error:
        raise SourceUnavailable(f"{source}: cannot be read ({error.strerror})") from error
    try:
        with _open(source, magic) as stream:
            _copy(stream, target)
    except _DAMAGE as error:
        if _is_of_the_system(error):
            raise
        raise DamagedFile(f"{source}: damaged compressed data ({error})") from error


def _open(source: Path, magic: bytes) -> BinaryIO | gzip.GzipFile | bz2.BZ2File:
    if magic.startswith(GZIP_MAGIC):
        return gzip.open(source)
    return bz2.open(source) if magic == BZIP2_MAGIC else source.open("rb")


def extract_member(archive: Path, member: str, target: Path) -> None:
    """Copy one member of a zip or tar archive.

    Raises `DamagedFile`, or `SourceUnavailable` if the archive has no such file.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as stream:
                _copy(stream, target)
        else:
            with tarfile.open(archive) as tarred:
                found = tarred.extractfile(member)
                if found is None:
                    raise SourceUnavailable(f"{archive.name}: {member} is not a file")
                _copy(found, target)
    except KeyError as error:
        raise SourceUnavailable(f"{archive.name}: has no member {member}") from error
    except _DAMAGE as error:
        if _is_of_the_system(error):
            raise
        raise DamagedFile(f"{archive.name}: damaged archive ({error})") from error


def _is_of_the_system(error: Exception) -> bool:
    """Whether the operating system raised an error (a full disk), not a decompressor."""
    return isinstance(error, OSError) and error.errno is not None


def _copy(stream: SupportsRead[bytes], target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
