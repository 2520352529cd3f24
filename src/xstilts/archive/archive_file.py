"""The file of an archive: a tar in its oldest form (ustar), compressed by zstd.

The first member is the manifest, which names every other member with its size and sha256, in the
order in which they follow. There are regular files only, without times and owners, so the same
members give the same bytes. Other programs read it as well: ``tar --zstd -xf FILE``.

The reader trusts nothing. Python's `tarfile` would take names and sizes of any length from extended
headers into memory, so it is used for the 512 bytes of a plain header only.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, NamedTuple

import pyarrow as pa
from pydantic import Field, ValidationError

from xstilts.archive.layout import MANIFEST, check_names
from xstilts.config.study import StudyName
from xstilts.config.yaml_models import Model
from xstilts.errors import ArchiveError
from xstilts.provenance.digests import canonical, file_sha256
from xstilts.provenance.files import parse_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIX = ".tar.zst"
LARGEST_MANIFEST = 32 * 2**20
MOST_MEMBERS = 200_000
LARGEST_TOTAL = 32 * 2**30
"""Bytes of all members. 90,000 scores on whole test sets take less than a tenth of it."""
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 2**20


class Member(NamedTuple):
    """One file of an archive."""

    path: Annotated[str, Field(max_length=250)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(Model):
    """The first member: which study an archive is of, and what it holds, in order."""

    format: Literal["xstilts archive"]
    version: Literal[1]
    study: StudyName
    snapshot: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The member of ``results/snapshots/`` that the archive was made by."""
    members: list[Member] = Field(max_length=MOST_MEMBERS)

    @property
    def total(self) -> int:
        """Bytes of all members."""
        return sum(member.bytes for member in self.members)


# --- writing -------------------------------------------------------------------------------------


def write(path: Path, study: str, snapshot: str, sources: Mapping[str, Path | bytes]) -> Manifest:
    """Write an archive of these members atomically; the same members give the same bytes.

    Raises `ArchiveError` for a name that an archive cannot hold, or a file that changes meanwhile.
    """
    check_names(path, sources)
    names = sorted(sources)
    members = [_described(name, sources[name]) for name in names]
    manifest = Manifest(
        format="xstilts archive", version=1, study=study, snapshot=snapshot, members=members
    )
    text = canonical(manifest.model_dump(mode="json")).encode() + b"\n"
    with (
        write_atomically(path) as temporary,
        pa.OSFile(str(temporary), "wb") as raw,
        pa.CompressedOutputStream(raw, "zstd") as stream,
        tarfile.open(mode="w|", fileobj=stream, format=tarfile.USTAR_FORMAT) as tar,
    ):
        _add(tar, Member(MANIFEST, len(text), hashlib.sha256(text).hexdigest()), text)
        for member in members:
            _add(tar, member, sources[member.path])
    return manifest


def _described(name: str, source: Path | bytes) -> Member:
    if isinstance(source, bytes):
        return Member(name, len(source), hashlib.sha256(source).hexdigest())
    return Member(name, source.stat().st_size, file_sha256(source))


def _opened(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _add(tar: tarfile.TarFile, member: Member, source: Path | bytes) -> None:
    info = tarfile.TarInfo(member.path)  # no time, no owner, mode 644
    info.size = member.bytes
    try:
        with _opened(source) as stream:
            tar.addfile(info, stream)
    except ValueError as error:
        raise ArchiveError(f"{member.path}: the name is too long for an archive") from error
    except OSError as error:
        raise ArchiveError(
            f"{member.path}: changed while it was packed ({error}); pack again"
        ) from error


# --- reading -------------------------------------------------------------------------------------


def read_manifest(path: Path) -> Manifest:
    """The manifest of an archive. Raises `ArchiveError` where there is none that can be read."""
    with _reader(path) as reader:
        return reader.manifest


def unpack(path: Path, folder: Path, largest: int = LARGEST_TOTAL) -> Manifest:
    """Write every member into a folder under its name, and verify it against the manifest.

    ``largest``: bytes that all members may have. Raises `ArchiveError` for anything that is not an
    archive as `write` leaves it, and for more bytes than ``largest``; what is in ``folder`` then is
    of no use.
    """
    with _reader(path) as reader:
        manifest = reader.manifest
        if manifest.total > largest:
            raise ArchiveError(
                f"{path}: holds {manifest.total:,} bytes, more than the {largest:,} that are "
                "allowed; if you trust it, allow more with --largest"
            )
        for member in manifest.members:
            target = folder / member.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                reader.copy(member, out)
        reader.expect_end()
    return manifest


class _reader:
    """Reads the members of an archive one after the other, none of them twice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _reader:
        try:
            self._raw = pa.OSFile(str(self._path))
        except OSError as error:
            raise ArchiveError(f"{self._path}: cannot be read ({error})") from error
        self._stream = pa.CompressedInputStream(self._raw, "zstd")
        self.manifest = self._manifest()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._raw.close()

    def _manifest(self) -> Manifest:
        size = self._header(MANIFEST)
        if size > LARGEST_MANIFEST:
            raise self._broken(f"its manifest has {size:,} bytes")
        text = b"".join(self._content(size))
        try:
            parse_json(text)  # refuses what the next line would pass, such as a key twice
            manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"])) or "all of it"
            raise self._broken(f"manifest: {place}: {problem['msg']}") from None
        except ValueError as error:
            raise self._broken(f"manifest: {error}") from None
        check_names(self._path, (member.path for member in manifest.members))
        return manifest

    def copy(self, member: Member, out: BinaryIO) -> None:
        """Copy the next member, which must be this one, byte for byte."""
        size, found = self._header(member.path), hashlib.sha256()
        if size != member.bytes:
            raise self._broken(f"{member.path}: has {size:,} bytes, not {member.bytes:,}")
        for chunk in self._content(size):
            found.update(chunk)
            out.write(chunk)
        if found.hexdigest() != member.sha256:
            raise self._broken(f"{member.path}: is not what the manifest records")

    def expect_end(self) -> None:
        """Check that only the zeros that end a tar follow: at most a record of 20 blocks."""
        rest = self._read(tarfile.RECORDSIZE + _BLOCK + 1, exactly=False)
        if len(rest) > tarfile.RECORDSIZE + _BLOCK or rest.strip(b"\0"):
            raise self._broken("has more members than its manifest")

    def _header(self, expected: str) -> int:
        """Read the header of the next member, which must bear this name; gives its size."""
        try:
            info = tarfile.TarInfo.frombuf(self._read(_BLOCK), "utf-8", "strict")
        except (tarfile.TarError, ValueError) as error:
            raise self._broken(f"{expected}: expected here ({error})") from None
        if info.name != expected or info.type != tarfile.REGTYPE or info.size < 0:
            raise self._broken(f"expected the file {expected}, found {info.name!r:.300}")
        return info.size

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._read(min(left, _CHUNK))
            left -= len(chunk)
            yield chunk
        self._read(-size % _BLOCK)

    def _read(self, size: int, *, exactly: bool = True) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            raise self._broken(str(error)) from None
        if exactly and len(data) != size:
            raise self._broken("is truncated")
        return data

    def _broken(self, problem: str) -> ArchiveError:
        return ArchiveError(f"{self._path}: not an archive of xstilts, or damaged: {problem}")
