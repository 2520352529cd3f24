"""Verified downloads: a raw file comes from the first of its sources that gives the right bytes.

Sources in order: the file that is there already, then, unless its card gives another order, the
study's mirror folder, the Hugging Face Hub at a pinned revision, a URL. Whatever the source, what
is kept under ``resources/raw`` is uncompressed, and the sha256 of those bytes is the one in
``config/downloads.tsv``; for a file that is not listed there, it is the one that
``resources/raw/lock.tsv`` recorded when the file first came. The lock also holds the commit that a
moving revision stood for then: later downloads ask for that commit.

``resources/raw/sources.tsv`` says of every file that came where it came from, for people to read.

Nothing fetched is ever run or unpickled, and of an archive one named member is read as data.
"""

from __future__ import annotations

import bz2
import fcntl
import gzip
import hashlib
import importlib
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xstilts.data.readers.text import GZIP_MAGIC, lines
from xstilts.errors import ChecksumMismatch, DataError, MalformedFile, MissingFile
from xstilts.provenance.digests import canonical, file_sha256
from xstilts.provenance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xstilts.config.raw_file import HubFile, RawFile

    Progress = Callable[[str, int, int | None], None]
    """Called with a file's path, the bytes that are here and those that there are, if known."""
    _Bytes = Callable[[int, int | None], None]

LOCK = "lock.tsv"
SOURCES = "sources.tsv"
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
        recorded = read_lock(raw / LOCK).get(file.path)
        expected = listed or (recorded.sha256 if recorded else None)
        authority = "config/downloads.tsv" if listed else str(raw / LOCK)
        wanted = _Wanted(file, target, expected, recorded, mirror, progress)
        source = _obtain(wanted, authority)
        if source is not None:
            _record(raw / SOURCES, file.path, target, source)
        if recorded is None and (expected is None or (file.hub and file.hub.moving)):
            _record(raw / LOCK, file.path, target, source or "already there")
    return target


def is_at_hand(file: RawFile, resources: Path, mirror: Path | None) -> bool:
    """Whether a file can be had without network: it is there, built, or in the mirror."""
    if file.embedded or (resources / "raw" / _inside(file.path)).is_file():
        return True
    if not file.mirror or mirror is None:
        return False
    plain = mirror / _inside(file.mirror)
    return plain.is_file() or plain.with_name(f"{plain.name}.gz").is_file()


@dataclass(frozen=True)
class Recorded:
    """What the lock says of a file: the sha256 of its bytes and where they came from."""

    sha256: str
    source: str


@dataclass(frozen=True)
class _Wanted:
    """One file to be had, and all that its sources need to know."""

    file: RawFile
    target: Path
    expected: str | None
    recorded: Recorded | None
    mirror: Path | None
    progress: Progress | None


def _inside(path: str) -> PurePosixPath:
    """A path that cannot leave the folder it is put in."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise DataError(f"path: {path!r} must stay inside its folder: relative and without '..'")
    return pure


def _obtain(wanted: _Wanted, authority: str) -> str | None:
    """Have ``target`` hold the right bytes; return their origin, or None if they were there."""
    target, expected = wanted.target, wanted.expected
    failures: list[str] = []
    wrong = False
    if target.is_file():
        got = file_sha256(target)
        if expected in (None, got):
            return None
        failures.append(f"already there: sha256 {got}")
        wrong = True
    for source in wanted.file.sources:
        try:
            with write_atomically(target) as temporary:
                origin = _SOURCES[source](wanted, temporary)
                got = file_sha256(temporary)
                if expected not in (None, got):
                    wrong = True
                    raise _Unavailable(f"sha256 {got}")
        except _Unavailable as error:
            failures.append(f"{source}: {error}")
        else:
            return f"{source} {origin}"
    tried = "".join(f"\n  {failure}" for failure in failures)
    if wrong:
        raise ChecksumMismatch(
            f"{target}: expected sha256 {expected} ({authority}), got:{tried}\n"
            f"If the file was changed on purpose, correct {authority}; "
            "if not, give a source with the right bytes"
        )
    raise MissingFile(f"{target}: none of its sources could give it:{tried}")


# --- sources -------------------------------------------------------------------------------------
# each brings the bytes to a path and returns what the origin is called in the records


def _from_mirror(wanted: _Wanted, path: Path) -> str:
    name = str(wanted.file.mirror)
    if wanted.mirror is None:
        raise _Unavailable("the study names no mirror folder")
    plain = wanted.mirror / _inside(name)
    for candidate in (plain, plain.with_name(f"{plain.name}.gz")):
        if candidate.is_file():
            _unpack(candidate, path)
            return name
    raise _Unavailable(f"{plain}[.gz] is not there")


def _from_hub(wanted: _Wanted, path: Path) -> str:
    """Download from the Hub like from any URL, so that it resumes and shows its progress.

    A file that the Hub's own cache holds is taken from there. ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``
    and a token count as they do for its client.
    """
    from huggingface_hub import get_token, hf_hub_url, try_to_load_from_cache

    assert wanted.file.hub
    hub = wanted.file.hub
    commit, name = _at_commit(hub, wanted.recorded)
    origin = f"{hub.repo}@{commit}/{name}"
    cached = try_to_load_from_cache(hub.repo, name, revision=commit, repo_type=hub.kind)
    if isinstance(cached, str):
        if wanted.file.member:
            _take_member(Path(cached), wanted.file.member, path)
        else:
            _unpack(Path(cached), path)
        return origin
    if _hub_is_offline():
        raise _Unavailable(f"{origin}: is not in the Hub's cache, and HF_HUB_OFFLINE is set")
    url = hf_hub_url(hub.repo, name, repo_type=hub.kind, revision=commit, endpoint=_endpoint())
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    _download_and_unpack(url, wanted, path, headers)
    return origin


def _at_commit(hub: HubFile, recorded: Recorded | None) -> tuple[str, str]:
    """The commit and file name that a hub file stands for: recorded, as pinned, or asked for."""
    origin = rf"hub {re.escape(hub.repo)}@([0-9a-f]{{40}})/(.+)"
    known = re.fullmatch(origin, recorded.source) if recorded else None
    if known and fnmatch(known[2], hub.file) and (hub.moving or known[1] == hub.revision):
        return known[1], known[2]
    if not hub.moving and "*" not in hub.file:
        return hub.revision, hub.file
    if _hub_is_offline():
        raise _Unavailable(f"{hub.repo}@{hub.revision}: HF_HUB_OFFLINE is set")
    from huggingface_hub import HfApi

    try:
        api = HfApi(endpoint=_endpoint())
        info = api.model_info if hub.kind == "model" else api.dataset_info
        found = info(hub.repo, revision=hub.revision)
    except Exception as error:  # the client's errors are many; each only means: try the next source
        raise _Unavailable(f"{hub.repo}@{hub.revision}: {type(error).__name__}") from error
    names = sorted(s.rfilename for s in found.siblings or () if fnmatch(s.rfilename, hub.file))
    if not names or not found.sha:
        raise _Unavailable(f"{hub.repo}@{hub.revision}: has no file {hub.file}")
    return found.sha, names[0]


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _hub_is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _from_url(wanted: _Wanted, path: Path) -> str:
    url = str(wanted.file.url)
    _download_and_unpack(url, wanted, path, {})
    return url


_SOURCES: dict[str, Callable[[_Wanted, Path], str]] = {
    "mirror": _from_mirror,
    "hub": _from_hub,
    "url": _from_url,
}


def _download_and_unpack(url: str, wanted: _Wanted, path: Path, headers: dict[str, str]) -> None:
    target, expected = wanted.target, wanted.expected
    tell, name = wanted.progress, wanted.file.path
    progress = (lambda here, total: tell(name, here, total)) if tell else None
    member = wanted.file.member
    if not member:
        part = target.with_name(f".{target.name}.part")
        continued = part.exists() and expected is not None
        _download_whole(url, part, path, headers, resumable=continued, progress=progress)
        if continued and file_sha256(path) != expected:  # what was left belonged to another file
            _download_whole(url, part, path, headers, resumable=False, progress=progress)
        return
    # one archive serves many files: it is downloaded once and kept
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    part = target.parent / f"{key}-{PurePosixPath(url).name}.part"
    with _locked(part.with_suffix(".lock")):
        archive = part.with_suffix("")
        if not archive.exists():
            _download(url, part, headers, resumable=False, progress=progress)
            part.replace(archive)
    _take_member(archive, member, path)


def _download_whole(
    url: str,
    part: Path,
    path: Path,
    headers: dict[str, str],
    *,
    resumable: bool,
    progress: _Bytes | None,
) -> None:
    _download(url, part, headers, resumable=resumable, progress=progress)
    try:
        _unpack(part, path)
    finally:
        part.unlink(missing_ok=True)


def _build(task: str, split: str, language: str, target: Path) -> None:
    """Write the rows that the embedded benchmark builds, one JSON object a line.

    Imported by name: an import statement would make the benchmark's code a part of the code of
    every real task's examples (`xstilts.provenance.code.code_of`); `Grid.examples` adds it
    where it counts.
    """
    build = importlib.import_module("xstilts_demo.build").build
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
        if isinstance(error, OSError) and error.errno:  # a full disk, say: the archive stays
            raise _Unavailable(f"{archive.name}: {member}: {error.strerror}") from error
        archive.unlink(missing_ok=True)
        raise _Unavailable(f"{archive.name}: damaged archive ({error})") from error


def _write(stream: Any, path: Path) -> None:
    with path.open("wb") as out:
        shutil.copyfileobj(stream, out, _CHUNK)


# --- HTTP ----------------------------------------------------------------------------------------


def _download(
    url: str, part: Path, headers: dict[str, str], *, resumable: bool, progress: _Bytes | None
) -> None:
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
        attempts(_attempt, url, part, headers, progress)
    except passing as error:
        raise _Unavailable(f"{url}: {_brief(error)}, after {RETRIES} tries") from error
    except requests.RequestException as error:
        raise _Unavailable(f"{url}: {_brief(error)}") from error


def _brief(error: Exception) -> str:
    return str(error) if isinstance(error, _Passing) else type(error).__name__


def _attempt(url: str, part: Path, more: dict[str, str], progress: _Bytes | None) -> None:
    """One request: for the whole file, or for what is still missing of it."""
    import requests

    here = part.stat().st_size if part.exists() else 0
    # lengths and ranges then count the file's own bytes
    headers = {**more, "Accept-Encoding": "identity"}
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


def read_lock(path: Path) -> dict[str, Recorded]:
    """What was recorded at first download, by path; a file's first record counts."""
    recorded: dict[str, Recorded] = {}
    for name, cells in _records(path):
        recorded.setdefault(name, Recorded(cells[1], cells[3]))
    return recorded


def came(path: Path) -> list[tuple[str, int, str]]:
    """Path, bytes and origin of every file that came, in that order; none before the first."""
    return [(name, int(cells[2]), cells[3]) for name, cells in _records(path)]


def _records(path: Path) -> Iterator[tuple[str, list[str]]]:
    if not path.is_file():
        return
    read_checksums(path)  # refuses a damaged table with its line
    for _, line in lines(path):
        cells = [*line.split("\t"), "", ""]
        if line and not line.startswith(("#", "path\t")):
            yield cells[0], cells


def _record(table: Path, name: str, target: Path, source: str) -> None:
    """Append one line to the lock or the sources; whole lines even with many writers."""
    with _locked(table.with_name(f".{table.name}.lock")), table.open("ab") as stream:
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
