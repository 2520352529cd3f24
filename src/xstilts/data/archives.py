"""Packed files: gzip, bzip2 and xz streams, and single members of zip and tar archives.

Everything is read as data. A member's name inside an archive is never used as a path.
All functions let the `OSError` of a full disk pass: no other source could be written either.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from xstilts.data.readers.text import GZIP_MAGIC
from xstilts.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import SupportsRead

BZIP2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\x00"
_CHUNK = 1 << 20
_DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    RecursionError,  # links of a tar archive that name each other
    RuntimeError,  # an encrypted member
    NotImplementedError,  # a method of compression that Python does not know
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


class DamagedFile(SourceUnavailable):
    """A packed file that cannot be unpacked."""


def unpack(source: Path, target: Path, max_bytes: int) -> None:
    """Copy a file, uncompressed if its magic bytes are those of gzip, bzip2 or xz.

    Raises `DamagedFile`, or `SourceUnavailable` if the file cannot be read or would have more than
    ``max_bytes`` bytes.
    """
    try:
        with source.open("rb") as stream:
            magic = stream.read(len(XZ_MAGIC))
    except OSError as error:
        raise SourceUnavailable(f"{source}: cannot be read ({error.strerror})") from error
    with _damage_explained(f"{source}: damaged compressed data"), _open(source, magic) as stream:
        _copy(stream, target, max_bytes, str(source))


def _open(source: Path, magic: bytes) -> BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    if magic.startswith(GZIP_MAGIC):
        return gzip.open(source)
    if magic.startswith(BZIP2_MAGIC):
        return bz2.open(source)
    return lzma.open(source) if magic == XZ_MAGIC else source.open("rb")


def extract_member(archive: Path, member: str, target: Path, max_bytes: int) -> None:
    """Copy one member of a zip or tar archive.

    Raises `DamagedFile`, or `SourceUnavailable` if the archive has no such file or the file would
    have more than ``max_bytes`` bytes.
    """
    name = f"{archive.name}: {member}"
    try:
        with _damage_explained(f"{archive.name}: damaged archive"):
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as zipped, zipped.open(member) as stream:
                    _copy(stream, target, max_bytes, name)
            else:
                with tarfile.open(archive) as tarred:
                    _copy_from_tar(tarred, member, target, max_bytes, name)
    except KeyError as error:
        raise SourceUnavailable(f"{archive.name}: has no member {member}") from error


def _copy_from_tar(
    archive: tarfile.TarFile, member: str, target: Path, max_bytes: int, name: str
) -> None:
    stream = archive.extractfile(member)
    if stream is None:
        raise SourceUnavailable(f"{name} is not a file")
    size = _copy(stream, target, max_bytes, name)
    about = archive.getmember(member)
    if about.isreg() and size != about.size:  # tarfile passes the end of a cut archive in silence
        raise EOFError(f"{size:,} of {about.size:,} bytes of {member}")


@contextmanager
def _damage_explained(what: str) -> Iterator[None]:
    """Turn what libraries raise on damaged, encrypted or unknown data into a `DamagedFile`."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the operating system
            raise
        raise DamagedFile(f"{what} ({error!s:.200})") from error


def _copy(stream: SupportsRead[bytes], target: Path, max_bytes: int, name: str) -> int:
    """Copy a stream; return its size."""
    size = 0
    with target.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise SourceUnavailable(
                    f"{name}: more than {max_bytes:,} bytes uncompressed; if the file is that "
                    "large, raise its max_bytes in the card"
                )
            out.write(chunk)
    return size
