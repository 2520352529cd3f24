"""Upkeep of a store: what is damaged, and what may go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from xstilts.errors import DamagedEntry
from xstilts.provenance import digests
from xstilts.store.entry import Entry, input_key
from xstilts.store.shelf import entries

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.store.shelf import Shelf


def damage(shelf: Shelf, entry: Entry, scratch: Path) -> str | None:
    """What is wrong with an entry's bytes; None if nothing is. Reads all of it."""
    for name, kept in entry.files.items():
        path = scratch / uuid4().hex
        try:
            shelf.fetch(entry, name, path)
            if digests.file_sha256(path) != kept.sha256:
                return f"{entry.key}: the bytes of {name} are not the recorded ones"
            if name == entry.stamp:
                entry.check_stamp(path)
        except DamagedEntry as error:
            return str(error)
        finally:
            path.unlink(missing_ok=True)
    return None


@dataclass(frozen=True)
class Freed:
    """What a collection took out."""

    entries: tuple[str, ...]
    bytes: int
    left: int


def collect(
    shelf: Shelf,
    *,
    max_bytes: int | None = None,
    older_than: float | None = None,
    dry: bool = False,
    now: float | None = None,
) -> Freed:
    """Remove what was not used for ``older_than`` seconds, then the least recently used entries
    until the rest is at most ``max_bytes``; inputs go when no checkpoint is left that names them.

    Files that are hard links of a study's are counted in full: they free the disk when the study's
    go as well.
    """
    now = time.time() if now is None else now
    there = {k: e for k, e in entries(shelf) if isinstance(e, Entry)}
    used = {key: shelf.last_used(key) for key in there}
    inputs = {key for key in there if key.startswith("inputs/")}
    queue = sorted((key for key in there if key not in inputs), key=lambda k: (used[k], k))
    kept, gone = set(queue), list[str]()

    def size() -> int:
        named = {input_key(sha) for key in kept for sha in there[key].inputs.values()}
        return sum(there[key].size for key in kept | (inputs & named))

    for key in queue:
        old = older_than is not None and now - used[key] >= older_than
        if old or (max_bytes is not None and size() > max_bytes):
            kept.discard(key)
            gone.append(key)
    named = {input_key(sha) for key in kept for sha in there[key].inputs.values()}
    # an input that was just put belongs to a checkpoint that is being put
    gone += sorted(key for key in inputs - named if now - used[key] >= min(older_than or 0, 3600))
    if not dry:
        for key in gone:
            shelf.remove(key)
        shelf.sweep(24 * 3600)
    freed = sum(there[key].size for key in gone)
    return Freed(tuple(gone), freed, sum(e.size for e in there.values()) - freed)
