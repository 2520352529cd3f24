"""Heartbeats: a file names the process that works on something, and that process touches it.

The file is a JSON object. Its holder, a process, is described by `describe_this_process`, and a
thread of that process touches the file every few seconds. Other processes conclude that the holder
is dead when the file has not been touched for `SILENCE_LIMIT` seconds, or at once when they run on
the same kernel and see that the process has ended.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

INTERVAL = 10.0
"""Seconds between two touches of a heartbeat file."""
SILENCE_LIMIT = 120.0
"""Seconds without a touch after which a holder counts as dead: several intervals, and the minute
for which an NFS client may use its cached file times."""


@contextmanager
def heartbeat(path: Path, interval: float, still_ours: Callable[[], bool]) -> Iterator[None]:
    """Touch a file every ``interval`` seconds while the body runs, if ``still_ours()`` is true.

    A file that cannot be touched (a full disk, a deleted folder) is no error.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_touch, args=(path, interval, still_ours, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _touch(
    path: Path, interval: float, still_ours: Callable[[], bool], stop: threading.Event
) -> None:
    while not stop.wait(interval):
        with suppress(OSError):
            if still_ours():
                os.utime(path)


def parse(content: bytes | None) -> dict[str, Any]:
    """The JSON object of a heartbeat file; an empty dict if it is incomplete or missing."""
    try:
        values = json.loads(content or b"")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def describe_this_process() -> dict[str, Any]:
    """What identifies this process: host, kernel, process number and start, Slurm job."""
    return {
        "host": platform.node(),
        "kernel": _kernel(),
        "pid": os.getpid(),
        "process_start": _process_start(os.getpid()),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }


def holder_name(holder: Mapping[str, Any]) -> str:
    """A holder as messages name it: ``Slurm job 3, process 12 on node7``."""
    job = f"Slurm job {holder['slurm_job']}, " if holder.get("slurm_job") else ""
    return f"{job}process {holder.get('pid')} on {holder.get('host')}"


def is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether the holder's process has certainly ended.

    Only a process of the same kernel and process namespace can be looked up; of any other this is
    False.
    """
    if not holder.get("process_start") or holder.get("kernel") != _kernel():
        return False
    return bool(_process_start(holder["pid"]) != holder["process_start"])


def _process_start(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None if it has ended.

    The number of a process and its start together are unique while the kernel runs.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _kernel() -> str | None:
    """The running kernel and our process namespace; None where /proc is missing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None
