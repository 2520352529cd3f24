"""A shelf: the place where a store's entries lie, a folder or a bucket of S3.

An entry exists when its ``entry.json`` does, and that comes last: in a folder the entry is built
apart and moved to its place as a whole, in a bucket ``entry.json`` is the last object that is
written. So a writer that is killed leaves no false entry, and of several writers one wins.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xstilts.errors import DamagedEntry
from xstilts.store.bucket import Bucket
from xstilts.store.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xstilts.store.entry import Entry


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
