"""The state of a job, for whoever looks on: a small file beside its log.

Snakemake on a cluster knows that a job was submitted, not that it has begun or died. So every job
writes ``<log>.state.json`` when it begins and when it ends, and touches it while it is at work: a
job whose file says running, and that was not touched for long, was killed without a word.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from xstilts.provenance.files import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


BEAT = 20.0
"""Seconds between two signs of life."""
SILENCE = 120.0
"""Seconds without one after which a job is taken for dead."""

Outcome = Literal["running", "ok", "failed", "lost"]


@dataclass(frozen=True)
class JobState:
    """What a job's file says. ``lost``: it says running, but nothing has moved for long."""

    outcome: Outcome
    started: str
    host: str
    pid: int
    slurm_job: str | None
    reason: str | None
    log: Path


def state_file(log: Path) -> Path:
    """Where the state of the job with this log lies."""
    return log.with_suffix(".state.json")


@contextmanager
def told(log: Path, beat: float = BEAT) -> Iterator[None]:
    """Tell a job's state while its body runs; the error that ends it is its reason."""
    path = state_file(log)
    says: dict[str, Any] = {
        "state": "running",
        "started": _now(),
        "host": platform.node(),
        "pid": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    _write(path, says)
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, beat, stop), daemon=True)
    heart.start()
    end = {"state": "ok"}
    try:
        yield
    except BaseException as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            signalled = error.code > 128
            reason = f"ended by signal {error.code - 128}" if signalled else f"exit {error.code}"
        end = {"state": "failed", "reason": reason}
        raise
    finally:
        stop.set()
        heart.join()
        _write(path, says | end | {"ended": _now()})


def read_state(log: Path, now: float | None = None) -> JobState | None:
    """The state of the job with this log; None where it never began."""
    path = state_file(log)
    try:
        says = json.loads(path.read_bytes())
        touched = path.stat().st_mtime
        outcome: Outcome = says["state"]
        reason = says.get("reason")
        if outcome == "running":
            silent = (time.time() if now is None else now) - touched
            if silent > SILENCE or _is_gone(says):
                outcome, reason = "lost", f"no sign of life for {silent:.0f} s: it was killed"
        return JobState(
            outcome, says["started"], says["host"], says["pid"], says["slurm_job"], reason, log
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_gone(says: dict[str, Any]) -> bool:
    """Whether a process of this very host is known to be gone."""
    if says["host"] != platform.node():
        return False
    try:
        os.kill(says["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _write(path: Path, says: dict[str, Any]) -> None:
    with suppress(OSError):  # a full disk is the job's own error to tell
        write_json(path, says)


def _beat(path: Path, beat: float, stop: threading.Event) -> None:
    while not stop.wait(beat):
        with suppress(OSError):
            os.utime(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
