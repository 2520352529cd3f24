"""The state of a job, as a small file beside its log, for ``xstilts status`` and the progress bar.

Snakemake knows that it submitted a job to a cluster; it does not know whether the job has started
or died. Every job therefore writes ``<log>.state.json`` when it starts and when it ends. Meanwhile
the file is its heartbeat (`xstilts.runtime.heartbeat`): a job whose file says ``running`` but whose
process is dead was killed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from xstilts.provenance.files import read_bytes, write_json
from xstilts.runtime.heartbeat import INTERVAL, SILENCE_LIMIT, Holder, heartbeat, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Outcome = Literal["running", "ok", "failed", "lost"]
OUTCOMES = ("running", "ok", "failed")
"""What a file may say."""


@dataclass(frozen=True)
class JobState:
    """What a job's file says; ``lost`` means that it says ``running``, but the process is dead."""

    outcome: Outcome
    started: str
    host: str
    pid: int
    slurm_job: str | None
    reason: str | None
    log: Path


def state_file(log: Path) -> Path:
    """The path of the state of the job with this log."""
    return log.with_suffix(".state.json")


@contextmanager
def record_job_state(log: Path, interval: float = INTERVAL) -> Iterator[None]:
    """Record that a job runs while the body does, and then how it ended.

    The message of the error that ends the body becomes the reason of a failed job. A state that
    cannot be written is skipped: the job goes on, and reports a full disk itself.
    """
    path = state_file(log)
    started: dict[str, Any] = {"started": _now()} | Holder.this_process().as_json()
    _write(path, started | {"state": "running"})
    end: dict[str, Any] = {"state": "ok"}
    try:
        with heartbeat(path, interval, lambda: True):
            yield
    except BaseException as error:
        end = {"state": "failed", "reason": _reason(error)}
        raise
    finally:
        _write(path, started | end | {"ended": _now()})


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        by_signal = error.code > 128
        return f"ended by signal {error.code - 128}" if by_signal else f"exit {error.code}"
    return str(error) or type(error).__name__


def read_state(log: Path, now: float | None = None) -> JobState | None:
    """The state of the job with this log; None if it has not started or the file is unreadable.

    ``now`` is the time in seconds since the epoch, the current time by default.
    """
    path = state_file(log)
    try:
        values = parse(read_bytes(path))
        touched = path.stat().st_mtime
    except OSError:
        return None
    holder, said = Holder.of(values), values.get("state")
    started, reason = values.get("started"), values.get("reason")
    if said not in OUTCOMES or not isinstance(started, str):
        return None
    if holder.host is None or holder.pid is None:
        return None
    outcome: Outcome = said
    if outcome == "running":
        silence = (time.time() if now is None else now) - touched
        if silence > SILENCE_LIMIT or holder.is_dead():
            outcome = "lost"
            reason = f"the job was killed: its last sign of life is {silence:.0f} s old"
    return JobState(
        outcome=outcome,
        started=started,
        host=holder.host,
        pid=holder.pid,
        slurm_job=holder.slurm_job,
        reason=_printable(reason) if isinstance(reason, str) else None,
        log=log,
    )


def _printable(text: str) -> str:
    """A text without what would change a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _write(path: Path, values: dict[str, Any]) -> None:
    with suppress(OSError):
        write_json(path, values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
