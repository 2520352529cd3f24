"""Heartbeats: a file names the process that works on something, and that process touches it.

The file is a JSON object with the fields of its `Holder`. A thread of that process touches the file
every few seconds. Other processes conclude that the holder is dead when the file has not been
touched for `SILENCE_LIMIT` seconds, or at once when they run on the same kernel and see that the
process has ended.
"""

from __future__ import annotations

import os
import platform
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.provenance.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

INTERVAL = 10.0
"""Seconds between two touches of a heartbeat file."""
SILENCE_LIMIT = 120.0
"""Seconds without a touch after which a holder counts as dead: several intervals, and the minute
for which an NFS client may use its cached file times."""


_PIDS = 2**31
"""More than the number of any process."""


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
        values = parse_json(content or b"")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


@dataclass(frozen=True)
class Holder:
    """What identifies a process on a shared file system; a field that is unknown is None."""

    host: str | None
    kernel: str | None
    pid: int | None
    process_start: str | None
    slurm_job: str | None

    @classmethod
    def this_process(cls) -> Holder:
        """The process that runs this."""
        return cls(
            host=platform.node(),
            kernel=_kernel(),
            pid=os.getpid(),
            process_start=_process_start(os.getpid()),
            slurm_job=os.environ.get("SLURM_JOB_ID"),
        )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Holder:
        """The holder that a heartbeat file describes; other keys and wrong types are left out."""
        pid = values.get("pid")
        return cls(
            host=_text(values, "host"),
            kernel=_text(values, "kernel"),
            pid=pid if type(pid) is int and 0 < pid < _PIDS else None,
            process_start=_text(values, "process_start"),
            slurm_job=_text(values, "slurm_job"),
        )

    def as_json(self) -> dict[str, Any]:
        """The fields, for a heartbeat file."""
        return asdict(self)

    def __str__(self) -> str:
        """The holder as messages name it: ``Slurm job 3, process 12 on node7``."""
        job = f"Slurm job {self.slurm_job}, " if self.slurm_job else ""
        return f"{job}process {self.pid} on {self.host}"

    def is_dead(self) -> bool:
        """Whether the process has certainly ended.

        Only a process of the same kernel and process namespace can be looked up; of any other this
        is False.
        """
        if self.pid is None or self.process_start is None or self.kernel != _kernel():
            return False
        return _process_start(self.pid) != self.process_start


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None


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
