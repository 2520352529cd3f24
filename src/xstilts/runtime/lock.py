"""Leases: on one shared folder, one process at a time makes an artefact.

A scheduler's jobs outlive the Snakemake that submitted them, and nothing re-attaches to them: when
it is started again, the same training is submitted while the first is still running. A node that
only lost its network is declared dead, and its job is started elsewhere. The second process must
wait, and then find the work done.

A lease is a file in the artefact's folder. It is created with ``O_EXCL``, which every shared file
system honours (locks are often not: Lustre without ``flock``, NFS without its lock manager), and
its holder touches it every few seconds. Whoever waits takes it over when the holder is known to be
dead (same machine) or when the file has not been touched for a while by the *waiter's* clock.

A lease saves work; it does not guard truth. Results are deterministic and moved into place whole,
so that two writers, should a takeover ever be wrong, would write the same bytes.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE = ".lease.json"
BEAT = 10.0
"""Seconds between two touches of a lease."""
PATIENCE = 120.0
"""Seconds without a touch after which a holder elsewhere is taken for dead: several beats and the
minute for which an NFS client may believe its cached file times."""


@contextmanager
def lease(
    folder: Path,
    say: Callable[[str], None] = print,
    *,
    name: str = FILE,
    beat: float = BEAT,
    patience: float = PATIENCE,
) -> Iterator[None]:
    """Hold the lease of a folder; waits for as long as another process holds it.

    ``name`` is the lease's file, for folders that hold several artefacts.

    SIGTERM, a scheduler's way to end a job, becomes `SystemExit` in here (in the main thread), so
    that the lease is given back and the next attempt need not wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, token = folder / name, uuid4().hex
    with _terminated_by_exception():
        _take(path, token, say, patience)
        stop = threading.Event()
        heart = threading.Thread(target=_beat, args=(path, token, beat, stop), daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()
            if _token(_read(path)) == token:
                path.unlink(missing_ok=True)


def _take(path: Path, token: str, say: Callable[[str], None], patience: float) -> None:
    seen: tuple[bytes | None, int] | None = None
    since, pause, told = time.monotonic(), 0.1, False
    while not _create(path, token):
        now = (_read(path), _touched(path))
        if now != seen:
            seen, since = now, time.monotonic()
        holder = now[0]
        if holder is None:  # it was given back just now
            continue
        if _is_dead(holder) or time.monotonic() - since > patience:
            _remove(path, holder, say)
            continue
        if not told:
            say(f"{path.parent}: {_whose(holder)} is at work on it; waiting")
            told = True
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _create(path: Path, token: str) -> bool:
    """Create the lease with all that tells its holder; False when there is one."""
    says = {
        "token": token,
        "host": platform.node(),
        "process": _process(os.getpid()),
        "pid": os.getpid(),
        "kernel": _kernel(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(says, stream)
    return True


def _remove(path: Path, holder: bytes, say: Callable[[str], None]) -> None:
    """Take away a dead process's lease, unless it has become another's in the meantime."""
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.read_bytes() != holder:
            with suppress(FileExistsError):
                os.link(aside, path)
        else:
            say(f"{path.parent}: taken over from {_whose(holder)}, which is gone")
        aside.unlink()


def _beat(path: Path, token: str, beat: float, stop: threading.Event) -> None:
    while not stop.wait(beat):
        with suppress(OSError):
            if _token(_read(path)) == token:
                os.utime(path)


# --- who holds it --------------------------------------------------------------------------------


def _read(path: Path) -> bytes | None:
    """What a lease says; None when there is none. Opening it asks the file server, not a cache."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _touched(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _says(content: bytes | None) -> dict[str, Any]:
    """A lease's text; of one that is just being written, nothing."""
    try:
        says = json.loads(content or b"")
    except ValueError:
        return {}
    return says if isinstance(says, dict) else {}


def _token(content: bytes | None) -> str | None:
    return _says(content).get("token")


def _whose(content: bytes | None) -> str:
    says = _says(content)
    job = f"Slurm job {says['slurm_job']}, " if says.get("slurm_job") else ""
    return f"{job}process {says.get('pid')} on {says.get('host')}"


def _is_dead(content: bytes) -> bool:
    """Whether a holder's process is known to be gone: only of one that this kernel shows us."""
    says = _says(content)
    if not says.get("process") or says.get("kernel") != _kernel():
        return False
    return bool(_process(says["pid"]) != says["process"])


def _process(pid: int) -> str | None:
    """When a process began: with its number, what tells it from every other. None: no such."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _kernel() -> str | None:
    """The running kernel and the processes that we see of it; None where it does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Let SIGTERM end the process through its ``finally`` blocks."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
