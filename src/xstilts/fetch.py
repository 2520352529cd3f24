"""Verified downloads: a raw file comes from the first of its sources that gives the right bytes.

Sources in order: the file that is there already, the study's mirror folder, the Hugging Face Hub at
a pinned revision, a URL. Whatever the source, what is kept under ``resources/raw`` is uncompressed,
and the sha256 of those bytes is the one in ``config/downloads.tsv``; for a file that is not listed
there, it is the one that ``resources/raw/lock.tsv`` recorded when the file first came.

Nothing fetched is ever run or unpickled, and of an archive one named member is read as data.
"""

from __future__ import annotations

import bz2
import fcntl
import gzip
import hashlib
import importlib
import shutil
import tarfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xstilts.errors import ChecksumMismatch, DataError, MalformedFile, MissingFile
from xstilts.lineage import canonical, file_sha256, write_atomically
from xstilts.readers.text import GZIP_MAGIC, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xstilts.cards import HubFile, RawFile

    Progress = Callable[[int, int | None], None]
    """Called with the bytes that are here and the bytes that there are, if that is known."""

LOCK = "lock.tsv"
BZIP2_MAGIC = b"BZh"
RETRIES = 5
RETRY_WAIT = 1.0
"""Seconds before the first retry of a download; doubled for each further one."""
TIMEOUT = (10, 60)
"""Seconds to connect, and without a byte."""
_CHUNK = 1 << 20


class _Unavailable(Exception):
    """A source cannot give the file; the message says why."""


class _Passing(Exception):
    """A download broke off in a way that is worth another try."""


# --- the one entry -------------------------------------------------------------------------------


def fetch(
    file: RawFile,
    *,
    resources: Path,
    mirror: Path | None,
    checksums: Mapping[str, str],
    split: str = "",
    language: str = "",
    progress: Progress | None = None,
) -> Path:
    """Give the verified path of a raw file under ``resources/raw``.

    ``split`` and ``language`` are for files that the embedded benchmark builds; such a file is
    built anew each time, because the code that builds it, not a checksum, is its identity.

    Raises `MissingFile` with every source and why it failed, or `ChecksumMismatch` when a source
    gave bytes that are not the expected ones and no other source gave the right ones.
    """
    raw = resources / "raw"
    target = raw / _inside(file.path)
    with _locked(target.with_name(f".{target.name}.lock")):
        if file.embedded:
            _build(file.embedded, split, language, target)
            return target
        listed = checksums.get(file.path)
        expected = listed or read_lock(raw / LOCK).get(file.path)
        authority = "config/downloads.tsv" if listed else str(raw / LOCK)
        source = _obtain(file, target, expected, authority, mirror, progress)
        if expected is None:
            _record(raw / LOCK, file.path, target, source)
    return target


def _inside(path: str) -> PurePosixPath:
    """A path that cannot leave the folder it is put in."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise DataError(f"path: {path!r} must stay inside its folder: relative and without '..'")
    return pure


def _obtain(
    file: RawFile,
    target: Path,
    expected: str | None,
    authority: str,
    mirror: Path | None,
    progress: Progress | None,
) -> str:
    """Have ``target`` hold the right bytes; return the source that they came from."""
    failures: list[str] = []
    wrong = False
    if target.is_file():
        got = file_sha256(target)
        if expected in (None, got):
            return "already there"
        failures.append(f"already there: sha256 {got}")
        wrong = True
    for source, bring in _sources(file, target, expected, mirror, progress):
        try:
            with write_atomically(target) as temporary:
                bring(temporary)
                got = file_sha256(temporary)
                if expected not in (None, got):
                    wrong = True
                    raise _Unavailable(f"sha256 {got}")
        except _Unavailable as error:
            failures.append(f"{source}: {error}")
        else:
            return source
    tried = "".join(f"\n  {failure}" for failure in failures)
    if wrong:
        raise ChecksumMismatch(
            f"{target}: expected sha256 {expected} ({authority}), got:{tried}\n"
            f"If the file was changed on purpose, correct {authority}; "
            "if not, give a source with the right bytes"
        )
    raise MissingFile(f"{target}: none of its sources could give it:{tried}")


# --- sources -------------------------------------------------------------------------------------


def _sources(
    file: RawFile,
    target: Path,
    expected: str | None,
    mirror: Path | None,
    progress: Progress | None,
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """The sources that a file has, in order, each with what brings its bytes to a path."""
    if file.mirror:
        name = file.mirror
        yield "mirror", lambda path: _from_mirror(name, mirror, path)
    if file.hub:
        hub = file.hub
        yield "hub", lambda path: _from_hub(hub, path)
    if file.url:
        url, member = file.url, file.member
        part = target.with_name(f".{target.name}.part")
        if member:  # one archive serves many files: it is downloaded once and kept
            key = hashlib.sha256(url.encode()).hexdigest()[:8]
            part = target.parent / f"{key}-{PurePosixPath(url).name}.part"
        yield "url", lambda path: _from_url(url, member, part, path, expected, progress)


def _from_mirror(name: str, mirror: Path | None, path: Path) -> None:
    if mirror is None:
        raise _Unavailable("the study names no mirror folder")
    plain = mirror / _inside(name)
    for candidate in (plain, plain.with_name(f"{plain.name}.gz")):
        if candidate.is_file():
            _unpack(candidate, path)
            return
    raise _Unavailable(f"{plain}[.gz] is not there")


def _from_hub(hub: HubFile, path: Path) -> None:
    from huggingface_hub import hf_hub_download

    try:
        cached = hf_hub_download(
            repo_id=hub.repo, filename=hub.file, revision=hub.revision, repo_type="dataset"
        )
    except Exception as error:  # the client's errors are many; each only means: try the next source
        raise _Unavailable(f"{hub.repo}@{hub.revision}: {type(error).__name__}") from error
    _unpack(Path(cached), path)


def _from_url(
    url: str,
    member: str | None,
    part: Path,
    path: Path,
    expected: str | None,
    progress: Progress | None,
) -> None:
    if not member:
        continued = part.exists() and expected is not None
        _download_whole(url, part, path, resumable=continued, progress=progress)
        if continued and file_sha256(path) != expected:  # what was left belonged to another file
            _download_whole(url, part, path, resumable=False, progress=progress)
        return
    with _locked(part.with_suffix(".lock")):
        archive = part.with_suffix("")
        if not archive.exists():
            _download(url, part, resumable=False, progress=progress)
            part.replace(archive)
    _take_member(archive, member, path)


def _download_whole(
    url: str, part: Path, path: Path, *, resumable: bool, progress: Progress | None
) -> None:
    _download(url, part, resumable=resumable, progress=progress)
    try:
        _unpack(part, path)
    finally:
        part.unlink(missing_ok=True)


def _build(task: str, split: str, language: str, target: Path) -> None:
    """Write the rows that the embedded benchmark builds, one JSON object a line.

    Imported by name: an import statement would make the benchmark's code a part of the code of
    every real task's examples (`xstilts.lineage.code_of`); `Grid.examples` adds it where it counts.
    """
    build = importlib.import_module("xstilts.embedded.build").build
    with write_atomically(target) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for row in build(task, split, language):
            stream.write(canonical(row) + "\n")


# --- packing -------------------------------------------------------------------------------------


def _unpack(source: Path, path: Path) -> None:
    """Copy a file, uncompressed if its magic bytes say gzip or bzip2."""
    with source.open("rb") as stream:
        magic = stream.read(3)
    opened = (
        gzip.open if magic[:2] == GZIP_MAGIC else bz2.open if magic == BZIP2_MAGIC else Path.open
    )
    try:
        with opened(source, "rb") as stream:
            _write(stream, path)
    except (EOFError, OSError, zlib.error) as error:
        raise _Unavailable(f"{source}: cannot be read or unpacked ({error})") from error


def _take_member(archive: Path, member: str, path: Path) -> None:
    """Read one member of a zip or tar archive as data; nothing is extracted by its own name."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as stream:
                _write(stream, path)
        else:
            with tarfile.open(archive) as tarred:
                found = tarred.extractfile(member)
                if found is None:
                    raise _Unavailable(f"{archive.name}: {member} is no file")
                _write(found, path)
    except KeyError as error:
        raise _Unavailable(f"{archive.name}: has no member {member}") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        archive.unlink(missing_ok=True)
        raise _Unavailable(f"{archive.name}: damaged archive ({error})") from error


def _write(stream: Any, path: Path) -> None:
    with path.open("wb") as out:
        shutil.copyfileobj(stream, out, _CHUNK)


# --- HTTP ----------------------------------------------------------------------------------------


def _download(url: str, part: Path, *, resumable: bool, progress: Progress | None) -> None:
    """Download to ``part``, whole; go on where an earlier try broke off.

    What an earlier process left is only continued when the result will be compared with a known
    checksum (``resumable``): the file behind the URL may have changed since.
    """
    import requests
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    part.parent.mkdir(parents=True, exist_ok=True)
    if not resumable:
        part.unlink(missing_ok=True)
    passing = (
        _Passing,
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    )
    attempts = Retrying(
        stop=stop_after_attempt(RETRIES),
        wait=wait_exponential(multiplier=RETRY_WAIT, max=30),
        retry=retry_if_exception_type(passing),
        reraise=True,
    )
    try:
        attempts(_attempt, url, part, progress)
    except passing as error:
        raise _Unavailable(f"{url}: {_brief(error)}, after {RETRIES} tries") from error
    except requests.RequestException as error:
        raise _Unavailable(f"{url}: {_brief(error)}") from error


def _brief(error: Exception) -> str:
    return str(error) if isinstance(error, _Passing) else type(error).__name__


def _attempt(url: str, part: Path, progress: Progress | None) -> None:
    """One request: for the whole file, or for what is still missing of it."""
    import requests

    here = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # lengths and ranges then count the file's own bytes
    if here:
        headers["Range"] = f"bytes={here}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # more is here than there is: start again
            part.unlink(missing_ok=True)
            raise _Passing("HTTP 416 to the continuation")
        if response.status_code == 429 or response.status_code >= 500:
            raise _Passing(f"HTTP {response.status_code}")
        if response.status_code not in (200, 206):
            raise _Unavailable(f"{url}: HTTP {response.status_code}")
        if response.status_code == 200:
            here = 0
        total = _total(response.headers, here)
        response.raw.enforce_content_length = False  # it would drop the last bytes that came
        with part.open("ab" if here else "wb") as stream:
            for chunk in response.iter_content(_CHUNK):
                stream.write(chunk)
                here += len(chunk)
                if progress:
                    progress(here, total)
    if total is not None and here != total:
        raise _Passing(f"truncated: {here} of {total} bytes")


def _total(headers: Mapping[str, str], here: int) -> int | None:
    length = headers.get("Content-Length")
    return here + int(length) if length and length.isdigit() else None


# --- checksums -----------------------------------------------------------------------------------


def read_checksums(path: Path) -> dict[str, str]:
    """Read ``config/downloads.tsv`` or a lock: columns path, sha256, bytes; ``#`` is a comment."""
    found: dict[str, str] = {}
    for number, line in lines(path):
        if not line or line.startswith(("#", "path\t")):
            continue
        cells = line.split("\t")
        if len(cells) < 3 or len(cells[1]) != 64 or not cells[2].isdigit():
            raise MalformedFile(path, number, f"not 'path, sha256, bytes' by tabs: {line!r:.80}")
        found[cells[0]] = cells[1]
    return found


def read_lock(path: Path) -> dict[str, str]:
    """The checksums recorded at first download; a file's first record counts."""
    if not path.is_file():
        return {}
    recorded: dict[str, str] = {}
    for name, sha256 in read_checksums(path).items():
        recorded.setdefault(name, sha256)
    return recorded


def _record(lock: Path, name: str, target: Path, source: str) -> None:
    """Append one line to the lock; whole lines even with many writers."""
    with _locked(lock.with_name(f".{lock.name}.lock")), lock.open("ab") as stream:
        if stream.tell() == 0:
            stream.write(b"path\tsha256\tbytes\tsource\n")
        cells = (name, file_sha256(target), str(target.stat().st_size), source)
        stream.write(("\t".join(cells) + "\n").encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock: jobs that want the same file wait for the one that fetches it.

    The system drops the lock when the process ends, however it ends. Where a file system has no
    locks, files are still whole, as each is moved into place; at worst one is downloaded twice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield  # closing the file drops the lock
