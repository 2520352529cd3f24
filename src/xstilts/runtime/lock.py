"""Locks: on one shared file system, one process at a time makes an artefact.

Jobs of a scheduler outlive the Snakemake that submitted them, and a restarted Snakemake does not
find them again: it submits the same training while the first one is still running. A node that
lost its network is declared dead, and its job is started on another node. The second process must
wait; then it finds that the artefact exists.

A lock is a heartbeat file (`xstilts.runtime.heartbeat`) in the artefact's folder. It is created
with ``O_EXCL``, which every shared file system honours; many do not honour ``flock`` (Lustre
without its mount option, NFS without a lock manager). A waiting process breaks the lock when the
holder is dead. It measures the holder's silence with its own monotonic clock, because the clocks of
two machines may differ.

The lock only avoids duplicate work. Correctness does not depend on it: results are deterministic
and written atomically.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from xstilts.runtime.heartbeat import INTERVAL, SILENCE_LIMIT, Holder, heartbeat, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_FILE = ".lock.json"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts to acquire a lock


@contextmanager
def artefact_lock(
    folder: Path,
    log: Callable[[str], None] = print,
    *,
    name: str = LOCK_FILE,
    interval: float = INTERVAL,
    silence_limit: float = SILENCE_LIMIT,
) -> Iterator[None]:
    """Hold the lock of a folder; wait for as long as another process holds it.

    ``name`` is the file of the lock, for folders that hold several artefacts. ``log`` gets a line
    when this process waits, and when it breaks the lock of a dead process. While the lock is held,
    SIGTERM (by which a scheduler ends a job) raises `SystemExit` in the main thread, so that the
    lock is released and the next attempt need not wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, token = folder / name, uuid4().hex
    with _sigterm_as_exception():
        _acquire(path, token, log, silence_limit)
        try:
            with heartbeat(path, interval, lambda: _token(path) == token):
                yield
        finally:
            if _token(path) == token:
                path.unlink(missing_ok=True)


class _Observation(NamedTuple):
    """The state of another process's lock file at one moment."""

    content: bytes | None
    touched_ns: int


def _acquire(path: Path, token: str, log: Callable[[str], None], silence_limit: float) -> None:
    last: _Observation | None = None
    unchanged_since, pause, logged = time.monotonic(), _FIRST_PAUSE, False
    while not _create(path, token):
        now = _Observation(_read(path), _touched_ns(path))
        if now != last:
            last, unchanged_since = now, time.monotonic()
        if now.content is None:  # released a moment ago
            continue
        silence = time.monotonic() - unchanged_since
        if _holder(now.content).is_dead() or silence > silence_limit:
            _break(path, now.content, log)
            continue
        if not logged:
            log(f"{path.parent}: waiting, because {_holder(now.content)} is working on it")
            logged = True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _create(path: Path, token: str) -> bool:
    """Create the lock file; False if it exists."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"token": token} | Holder.this_process().as_json(), stream)
    return True


def _break(path: Path, content: bytes, log: Callable[[str], None]) -> None:
    """Remove the lock file of a dead process, unless another process has replaced it meanwhile."""
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.read_bytes() != content:
            with suppress(FileExistsError):
                os.link(aside, path)
        else:
            log(f"{path.parent}: taking over from {_holder(content)}, which has ended")
        aside.unlink()


def _read(path: Path) -> bytes | None:
    """The bytes of a lock file; None if the file does not exist.

    Opening the file asks the file server; a look at the folder may come from a cache.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _touched_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _token(path: Path) -> str | None:
    return parse(_read(path)).get("token")


def _holder(content: bytes) -> Holder:
    return Holder.of(parse(content))


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    """Let SIGTERM end the process through its ``finally`` blocks."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
