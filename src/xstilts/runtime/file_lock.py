"""A lock on a file: jobs that would do the same work wait for the one that does it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; wait while another process holds it.

    The operating system frees the lock when the process ends, however it ends. If it gives no lock
    (a read-only folder, a file system without locks) the caller continues: the lock only avoids
    duplicate work, since files are moved into place whole.
    """
    lock = FileLock(path)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
