"""Verified downloads: a raw file comes from the first of its sources that gives the right bytes.

Sources in order: the file that already exists, then, unless its card gives another order, the
study's mirror folder, a file of the Hugging Face Hub at a pinned commit, the rows of a data set
there, a URL. Whatever the source,
``resources/raw`` keeps the file uncompressed, and its sha256 is the one in
``config/downloads.tsv``; for a file that is not listed there, the one that
``resources/raw/lock.tsv`` recorded at the first download. The lock also records the commit that a
moving revision stood for: later downloads ask for that commit.

Another package can be a source: it offers a function as an entry point of the group
`xstilts.provenance.plugins.SOURCES`, and a card names it, ``package: {source: NAME, name: WHAT}``.

Nothing fetched is ever run or unpickled.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xstilts.data import http, hub, hub_datasets
from xstilts.data.archives import DamagedFile, extract_member, unpack
from xstilts.data.checksums import LOCK, SOURCES, Download, read_lock, record
from xstilts.data.content import check_content
from xstilts.errors import ChecksumMismatch, MissingFile, SourceUnavailable
from xstilts.provenance import plugins
from xstilts.provenance.digests import canonical, file_sha256
from xstilts.provenance.files import explain_write_errors, write_atomically
from xstilts.runtime.file_lock import file_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from xstilts.config.raw_file import HubFile, PackageFile, RawFile

    Progress = Callable[[str, int, int | None], None]
    """Called with a file's path, the bytes downloaded so far and its size, if known."""


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
    """Return the verified path of a raw file under ``resources/raw``.

    ``split`` and ``language`` are for files that a package builds; such a file is built each time,
    because the package's code, not a checksum, is its identity.

    Raises `MissingFile` with every source and why it failed, `ChecksumMismatch` if a source gave
    other bytes than the expected ones and no other source gave the right ones, and `DataError` if
    the disk is full or the folder cannot be written.
    """
    raw = resources / "raw"
    target = raw / file.path
    lock = file_lock(target.with_name(f".{target.name}.lock"))
    with explain_write_errors(target), lock:
        if file.package:
            _build(file.package, split, language, target)
        else:
            _fetch(file, raw, target, mirror, checksums.get(file.path), progress)
    return target


def available_offline(file: RawFile, resources: Path, mirror: Path | None) -> bool:
    """Whether a file needs no network: it exists, a package builds it, or the mirror has it."""
    if file.package or (resources / "raw" / file.path).is_file():
        return True
    if not file.mirror or mirror is None:
        return False
    plain = mirror / file.mirror
    return plain.is_file() or plain.with_name(f"{plain.name}.gz").is_file()


def _build(package: PackageFile, split: str, language: str, target: Path) -> None:
    """Write the rows that another package builds, one JSON object a line."""
    build = plugins.load(plugins.SOURCES, package.source)
    with write_atomically(target) as temporary:
        _write_lines(temporary, build(package.name, split, language))


# --- files with a checksum -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Request:
    """One file, and all that its sources need to know."""

    file: RawFile
    target: Path
    expected: str | None
    """The sha256 that the bytes must have."""
    authority: str
    """The table that says so."""
    recorded: Download | None
    mirror: Path | None
    progress: http.Progress | None


def _fetch(
    file: RawFile,
    raw: Path,
    target: Path,
    mirror: Path | None,
    listed: str | None,
    progress: Progress | None,
) -> None:
    recorded = read_lock(raw / LOCK).get(file.path)
    request = _Request(
        file,
        target,
        listed or (recorded.sha256 if recorded else None),
        "config/downloads.tsv" if listed else str(raw / LOCK),
        recorded,
        mirror,
        (lambda size, total: progress(file.path, size, total)) if progress else None,
    )
    source = _obtain(request)
    if source is not None:
        record(raw / SOURCES, file.path, target, source)
    if recorded is None and (request.expected is None or (file.hub and file.hub.moving)):
        record(raw / LOCK, file.path, target, source or "existing file")


def _obtain(request: _Request) -> str | None:
    """Make ``target`` hold the right bytes; return their origin, None if it already held them."""
    target, expected = request.target, request.expected
    failures: list[str] = []
    last: SourceUnavailable | None = None
    mismatch = False
    if target.is_file():
        sha256 = file_sha256(target)
        if expected in (None, sha256):
            return None
        failures.append(f"the existing file: sha256 {sha256}")
        mismatch = True
    for source in request.file.sources:
        try:
            with write_atomically(target) as temporary:
                origin = _SOURCES[source](request, temporary)
                if expected is None:  # these bytes become the truth
                    check_content(temporary, request.file.path)
                sha256 = file_sha256(temporary)
                if expected not in (None, sha256):
                    mismatch = True
                    raise SourceUnavailable(f"sha256 {sha256}")
        except SourceUnavailable as error:
            failures.append(f"{source}: {error}")
            last = error
        else:
            return f"{source} {origin}"
    tried = "".join(f"\n  {failure}" for failure in failures)
    if mismatch:
        raise ChecksumMismatch(
            f"{target}: expected sha256 {expected} ({request.authority}), found:{tried}\n"
            f"If the recorded bytes are the wrong ones, {_mend(request)}; "
            "if not, give a source with the right bytes"
        )
    raise MissingFile(f"{target}: every source failed:{tried}") from last


def _mend(request: _Request) -> str:
    """What to do about a checksum that is wrong."""
    if request.recorded and request.recorded.sha256 == request.expected:
        return f"`xstilts forget {request.file.path}` deletes the file and their record"
    return f"correct {request.authority}"


# each writes the bytes to a path and returns the name of their origin for the records


def _from_mirror(request: _Request, path: Path) -> str:
    name = str(request.file.mirror)
    if request.mirror is None:
        raise SourceUnavailable("the study has no mirror folder (key mirror)")
    plain = request.mirror / name
    for candidate in (plain, plain.with_name(f"{plain.name}.gz")):
        if candidate.is_file():
            unpack(candidate, path, request.file.max_bytes)
            return name
    raise SourceUnavailable(f"{plain}[.gz] does not exist")


def _from_hub(request: _Request, path: Path) -> str:
    """Copy a file out of the Hub's cache, where its client downloads it to."""
    file = _recorded_file(request) or hub.pin(_hub_file(request))
    was_cached = hub.is_cached(file)
    _copy(hub.download(file, request.progress), request, path)
    if was_cached and request.expected not in (None, file_sha256(path)):  # a damaged cache
        _copy(hub.download(file, request.progress, force=True), request, path)
    return str(file)


def _recorded_file(request: _Request) -> hub.PinnedFile | None:
    """The file that the lock recorded, if it is one that the card means."""
    wanted, recorded = _hub_file(request), request.recorded
    origin = rf"hub {re.escape(wanted.repo)}@([0-9a-f]{{40}})/(.+)"
    known = re.fullmatch(origin, recorded.source) if recorded else None
    if known and fnmatch(known[2], wanted.file) and (wanted.moving or known[1] == wanted.revision):
        return hub.PinnedFile(wanted.repo, wanted.kind, known[1], known[2])
    return None


def _hub_file(request: _Request) -> HubFile:
    assert request.file.hub
    return request.file.hub


def _from_dataset(request: _Request, path: Path) -> str:
    """Write the rows of a data set, one JSON object a line: the same rows give the same bytes."""
    assert request.file.dataset
    _write_lines(path, hub_datasets.rows(request.file.dataset))
    return hub_datasets.name(request.file.dataset)


def _write_lines(path: Path, rows: Iterable[object]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(canonical(row) + "\n")


def _from_url(request: _Request, path: Path) -> str:
    url, target = str(request.file.url), request.target
    if request.file.member:
        _copy_from_archive(url, request, path)
        return url
    part = target.with_name(f".{target.name}.part")
    continued = part.exists() and request.expected is not None
    for resumable in (True, False) if continued else (False,):
        http.download(
            url,
            part,
            max_bytes=request.file.max_bytes,
            resumable=resumable,
            progress=request.progress,
        )
        try:
            unpack(part, path, request.file.max_bytes)
        finally:
            part.unlink(missing_ok=True)
        if request.expected in (None, file_sha256(path)):
            break  # otherwise the part that was continued belonged to another file
    return url


def _copy_from_archive(url: str, request: _Request, path: Path) -> None:
    """One archive serves many files: it is downloaded once and kept."""
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    archive = request.target.parent / f"{key}-{PurePosixPath(url).name}"
    with file_lock(archive.with_name(f"{archive.name}.lock")):
        if not archive.exists():
            part = archive.with_name(f"{archive.name}.part")
            http.download(
                url,
                part,
                max_bytes=request.file.max_bytes,
                resumable=False,
                progress=request.progress,
            )
            part.replace(archive)
    try:
        _copy(archive, request, path)
    except DamagedFile:
        archive.unlink(missing_ok=True)  # so that the next run downloads it again
        raise


def _copy(source: Path, request: _Request, path: Path) -> None:
    if request.file.member:
        extract_member(source, request.file.member, path, request.file.max_bytes)
    else:
        unpack(source, path, request.file.max_bytes)


_SOURCES: dict[str, Callable[[_Request, Path], str]] = {
    "mirror": _from_mirror,
    "hub": _from_hub,
    "dataset": _from_dataset,
    "url": _from_url,
}
