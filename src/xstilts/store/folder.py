"""A store in a folder."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

from xstilts.errors import DamagedEntry, StoreError
from xstilts.provenance.files import write_json
from xstilts.store.entry import CORRUPT, ENTRY, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINKED_FROM = 2**20
"""Bytes from which a file is linked rather than copied, where both lie on one file system."""


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
