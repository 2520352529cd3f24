"""Shelves: where a shared store keeps its entries, a folder or a bucket of S3.

An *entry* is an artefact's files under a key, with ``entry.json``, which says the sha256 of each.
An entry exists when its ``entry.json`` does, and that comes last: in a folder the entry is built
apart and moved to its place as a whole, in a bucket ``entry.json`` is the last object that is
written. So a writer that is killed leaves no false entry, and of several writers one wins.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from xstilts.errors import DamagedEntry, StoreError
from xstilts.lineage import canonical, file_sha256, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENTRY = "entry.json"
ENTRY_VERSION = 1
CORRUPT = "corrupt"
_LINKED_FROM = 2**20
"""Bytes from which a file is linked rather than copied, where both lie on one file system."""


@dataclass(frozen=True)
class Kept:
    """One file of an entry."""

    sha256: str
    size: int  # bytes
    object: str = ""  # its name in a bucket


@dataclass(frozen=True)
class Entry:
    """One artefact in the store: ``stamp`` is the name of the file that is its stamp."""

    key: str
    spec: str
    stamp: str
    inputs: dict[str, str]
    files: dict[str, Kept]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(kept.size for kept in self.files.values())

    def as_json(self) -> dict[str, Any]:
        """What ``entry.json`` says."""
        return {"entry": ENTRY_VERSION, **asdict(self)}

    @staticmethod
    def read(key: str, text: bytes) -> Entry:
        """Raises `DamagedEntry` for a text that is no entry, or that is another key's."""
        try:
            says = json.loads(text)
            files = {name: Kept(**kept) for name, kept in says["files"].items()}
            entry = Entry(
                says["key"], says["spec"], says["stamp"], says["inputs"], files, says["about"]
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedEntry(key, f"{ENTRY} cannot be read ({error!r})") from None
        if entry.key != key or entry.stamp not in files:
            raise DamagedEntry(key, f"{ENTRY} is of another entry, or names no stamp")
        for name in files:  # a store is shared: its names must not lead out of a folder
            if PurePosixPath(name).name != name or name in (ENTRY, ".", ".."):
                raise DamagedEntry(key, f"{name!r} is no plain file name")
        return entry


class Shelf(Protocol):
    """What a store needs from the place where it lies."""

    place: str

    def keys(self, prefix: str) -> list[str]:
        """Keys of the entries under a prefix that ends with a slash, sorted."""

    def specs(self) -> set[str]:
        """The spec digests of which there may be checkpoints: one look for a whole grid."""

    def entry(self, key: str) -> Entry | None:
        """An entry, None where there is none. Raises `DamagedEntry`."""

    def put(self, entry: Entry, sources: Mapping[str, Path]) -> bool:
        """Add an entry; False where another writer was first."""

    def fetch(self, entry: Entry, name: str, to: Path) -> None:
        """Bring one file of an entry to a path, unverified. Raises `DamagedEntry` if it is gone."""

    def set_aside(self, key: str) -> str:
        """Take a damaged entry out of use; return where it can be looked at."""

    def remove(self, key: str) -> None:
        """Delete an entry."""

    def last_used(self, key: str) -> float:
        """When an entry was last put or taken, in seconds since 1970."""

    def touch(self, key: str) -> None:
        """Note that an entry was taken."""

    def sweep(self, older_than: float) -> int:
        """Delete what killed writers left, if it is older than so many seconds; the bytes freed."""


def open_shelf(place: str) -> Shelf:
    """The shelf that a study's key ``store`` names; nothing is read or made yet."""
    return Bucket(place) if place.startswith("s3://") else Folder(Path(place))


def entries(shelf: Shelf, prefix: str = "") -> Iterator[tuple[str, Entry | DamagedEntry]]:
    """Every entry under a prefix, the damaged ones as their error."""

    def read(key: str) -> Entry | DamagedEntry | None:
        try:
            return shelf.entry(key)
        except DamagedEntry as error:
            return error

    keys = shelf.keys(prefix)
    with ThreadPoolExecutor(8) as pool:
        yield from ((k, e) for k, e in zip(keys, pool.map(read, keys), strict=True) if e)


# --- a folder ------------------------------------------------------------------------------------


class Folder:
    """A store on a file system that all its users share."""

    def __init__(self, root: Path) -> None:
        """``root`` is made by the first `put`."""
        self.root = root.expanduser().absolute()
        self.place = str(self.root)

    def keys(self, prefix: str) -> list[str]:
        """Keys of the entries under a prefix, sorted."""
        start = self.root / prefix
        depth = 3 - len(PurePosixPath(prefix).parts)  # checkpoints/<spec>/<inputs>
        if prefix.startswith("inputs"):
            depth -= 1
        patterns = ["/".join("*" * depth)] if prefix else ["checkpoints/*/*", "inputs/*"]
        found = [p for pattern in patterns for p in start.glob(f"{pattern}/{ENTRY}")]
        return sorted(p.parent.relative_to(self.root).as_posix() for p in found)

    def specs(self) -> set[str]:
        """The folders of specs."""
        try:
            return set(os.listdir(self.root / "checkpoints"))  # noqa: PTH208 - only names
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise StoreError(f"store {self.place}: {error.strerror}") from error

    def entry(self, key: str) -> Entry | None:
        """An entry, None where there is none."""
        try:
            return Entry.read(key, (self.root / key / ENTRY).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"store {self.place}: {key}: {error.strerror}") from error

    def put(self, entry: Entry, sources: Mapping[str, Path]) -> bool:
        """Build the entry in ``tmp/`` and move it to its place as a whole."""
        final = self.root / entry.key
        if (final / ENTRY).exists():
            return False
        building = self.root / "tmp" / uuid4().hex
        try:
            building.mkdir(parents=True)
            for name, source in sources.items():
                _link_or_copy(source, building / name)
            write_json(building / ENTRY, entry.as_json())
            _sync(building)
            final.parent.mkdir(parents=True, exist_ok=True)
            return _move(building, final)
        except OSError as error:
            raise StoreError(f"store {self.place}: {error}") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def fetch(self, entry: Entry, name: str, to: Path) -> None:
        """Link or copy one file."""
        try:
            _link_or_copy(self.root / entry.key / name, to)
        except FileNotFoundError:
            raise DamagedEntry(entry.key, f"{name} is missing") from None

    def set_aside(self, key: str) -> str:
        """Move the entry to ``corrupt/``."""
        aside = self.root / CORRUPT / f"{key.replace('/', '-')}-{uuid4().hex[:8]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # somebody else did it
            (self.root / key).rename(aside)
        return str(aside)

    def remove(self, key: str) -> None:
        """Move the entry away as a whole, then delete it: nobody meets half of it."""
        going = self.root / "tmp" / uuid4().hex
        going.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (self.root / key).rename(going)
        shutil.rmtree(going, ignore_errors=True)
        with suppress(OSError):  # other entries of this spec
            (self.root / key).parent.rmdir()

    def last_used(self, key: str) -> float:
        """The time of ``entry.json``."""
        try:
            return (self.root / key / ENTRY).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def touch(self, key: str) -> None:
        """Renew the time of ``entry.json``, if the entry may be written."""
        with suppress(OSError):
            os.utime(self.root / key / ENTRY)

    def sweep(self, older_than: float) -> int:
        """Delete old folders in ``tmp/`` and all that was set aside so long ago."""
        freed, now = 0, time.time()
        for part in ("tmp", CORRUPT):
            for path in [*(self.root / part).glob("*")]:
                with suppress(FileNotFoundError):
                    if now - path.stat().st_mtime >= older_than:
                        freed += sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
                        shutil.rmtree(path, ignore_errors=True)
        return freed


def _link_or_copy(source: Path, to: Path) -> None:
    """A large file becomes a hard link where the file system allows it; others are copied.

    A linked file is made read-only: who edits one of its names edits all.
    """
    if source.stat().st_size >= _LINKED_FROM:
        try:
            to.hardlink_to(source)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or another's file that may not be linked
            pass
        else:
            with suppress(OSError):
                to.chmod(to.stat().st_mode & 0o555)
            return
    shutil.copyfile(source, to)


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _move(building: Path, final: Path) -> bool:
    """Move a folder to a place that no entry has yet; False where one has."""
    try:
        building.rename(final)
    except OSError:
        if (final / ENTRY).exists():
            return False
        raise
    return True


# --- a bucket ------------------------------------------------------------------------------------


class Bucket:
    """A store in S3 or in what speaks its protocol (``AWS_ENDPOINT_URL`` names the server).

    A file's object is named by its sha256, so that two writers of one entry never mix their files:
    the ``entry.json`` that stays is true of the objects that it names.
    """

    def __init__(self, place: str) -> None:
        """Touch no network yet. Raises `StoreError` for an address without a bucket."""
        self.place = place.rstrip("/")
        self.bucket, _, prefix = place.removeprefix("s3://").rstrip("/").partition("/")
        if not self.bucket:
            raise StoreError(f"store: {place!r} names no bucket; write s3://bucket/prefix")
        self.prefix = f"{prefix}/" if prefix else ""

    @cached_property
    def _s3(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise StoreError(f"store {self.place}: needs the package boto3") from error
        retries: Any = {"max_attempts": 5, "mode": "standard"}
        return boto3.client("s3", config=Config(retries=retries, max_pool_connections=16))

    def _asked(self, operation: str, **how: Any) -> Any:
        """Call S3; its errors, and none of its classes, leave this module."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._s3, operation)(Bucket=self.bucket, **how)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                raise FileNotFoundError(how.get("Key")) from None
            raise StoreError(f"store {self.place}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(f"store {self.place}: {error}") from error

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._pages(Prefix=f"{self.prefix}{prefix}"):
            yield from page.get("Contents", ())

    def _pages(self, **what: str) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._asked("list_objects_v2", **what, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def keys(self, prefix: str) -> list[str]:
        """Keys of the entries under a prefix, sorted."""
        cut = len(self.prefix)
        names = (item["Key"][cut:] for item in self._listed(prefix))
        return sorted(
            name.removesuffix(f"/{ENTRY}")
            for name in names
            if name.endswith(f"/{ENTRY}") and not name.startswith(f"{CORRUPT}/")
        )

    def specs(self) -> set[str]:
        """What is common to the names of objects, a thousand a request."""
        pages = self._pages(Prefix=f"{self.prefix}checkpoints/", Delimiter="/")
        found = (common["Prefix"] for page in pages for common in page.get("CommonPrefixes", ()))
        return {prefix.rstrip("/").rpartition("/")[2] for prefix in found}

    def entry(self, key: str) -> Entry | None:
        """An entry, None where there is none."""
        try:
            answer = self._asked("get_object", Key=f"{self.prefix}{key}/{ENTRY}")
        except FileNotFoundError:
            return None
        return Entry.read(key, answer["Body"].read())

    def put(self, entry: Entry, sources: Mapping[str, Path]) -> bool:
        """Upload the files, then ``entry.json``."""
        if self.entry(entry.key):
            return False
        named = {
            name: Kept(kept.sha256, kept.size, f"{kept.sha256[:32]}.{name}")
            for name, kept in entry.files.items()
        }
        for name, source in sources.items():
            where = f"{self.prefix}{entry.key}/{named[name].object}"
            self._asked("upload_file", Filename=str(source), Key=where)
        says = canonical(entry.as_json() | {"files": {n: asdict(k) for n, k in named.items()}})
        self._asked("put_object", Key=f"{self.prefix}{entry.key}/{ENTRY}", Body=says.encode())
        return True

    def fetch(self, entry: Entry, name: str, to: Path) -> None:
        """Download one file."""
        where = f"{self.prefix}{entry.key}/{entry.files[name].object}"
        try:
            self._asked("download_file", Key=where, Filename=str(to))
        except FileNotFoundError:
            raise DamagedEntry(entry.key, f"{name} is missing") from None

    def set_aside(self, key: str) -> str:
        """Keep what ``entry.json`` said under ``corrupt/``; without it there is no entry."""
        aside = f"{CORRUPT}/{key.replace('/', '-')}-{uuid4().hex[:8]}.json"
        with suppress(FileNotFoundError):
            says = self._asked("get_object", Key=f"{self.prefix}{key}/{ENTRY}")["Body"].read()
            self._asked("put_object", Key=f"{self.prefix}{aside}", Body=says)
        self.remove(key)
        return f"{self.place}/{aside}"

    def remove(self, key: str) -> None:
        """Delete ``entry.json`` first, then the objects."""
        self._asked("delete_object", Key=f"{self.prefix}{key}/{ENTRY}")
        for item in [*self._listed(f"{key}/")]:
            self._asked("delete_object", Key=item["Key"])

    def last_used(self, key: str) -> float:
        """When the entry was put: a bucket does not know when it was taken."""
        try:
            answer = self._asked("head_object", Key=f"{self.prefix}{key}/{ENTRY}")
        except FileNotFoundError:
            return 0.0
        return float(answer["LastModified"].timestamp())

    def touch(self, key: str) -> None:
        """Nothing: see `last_used`."""

    def sweep(self, older_than: float) -> int:
        """Delete old objects of keys that have no ``entry.json``, or that it does not name."""
        freed, now = 0, time.time()
        by_key: dict[str, list[dict[str, Any]]] = {}
        for item in self._listed(""):
            key = item["Key"][len(self.prefix) :].rpartition("/")[0]
            by_key.setdefault(key, []).append(item)
        for key, items in by_key.items():
            entry = None if key == CORRUPT else self._entry_or_none(key)
            used = {ENTRY, *(k.object for k in entry.files.values())} if entry else set()
            for item in items:
                old = now - item["LastModified"].timestamp() >= older_than
                if old and item["Key"].rpartition("/")[2] not in used:
                    self._asked("delete_object", Key=item["Key"])
                    freed += item["Size"]
        return freed

    def _entry_or_none(self, key: str) -> Entry | None:
        with suppress(DamagedEntry):
            return self.entry(key)
        return None


def described(files: Mapping[str, Path]) -> dict[str, Kept]:
    """The digests of files, as an entry records them."""
    return {name: Kept(file_sha256(path), path.stat().st_size) for name, path in files.items()}
