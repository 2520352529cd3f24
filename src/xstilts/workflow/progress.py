"""The progress of a run: a bar for the grid, a bar for each training, the time left.

A logger plugin of Snakemake (``--logger xstilts``). On a terminal it shows live bars; elsewhere it
prints one line a finished job. Errors are shown with the end of the job's own log.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from xstilts.runtime.format import format_duration
from xstilts.training.log import last_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# how long a job of a rule takes, roughly, in units of the shortest: only for the time left
_WEIGHTS = {"train": 10.0, "evaluate": 4.0}
_LOG_LINES = 12


def weight(rule: str) -> float:
    """What one job of a rule counts in the bar."""
    return _WEIGHTS.get(rule.split("_")[0], 1.0)


def title(rule: str, wildcards: dict[str, Any]) -> str:
    """``train none/seed1/squad``: the rule and the wildcards that tell its jobs apart."""
    parts = [f"seed{value}" if key == "seed" else str(value) for key, value in wildcards.items()]
    return f"{rule.replace('_', ' ', 1)} {'/'.join(parts)}".strip()


def _training_log(mark: Path) -> Path | None:
    """The log of the training whose mark is ``<results>/.runs/<run>/train/<place>.json``.

    The job links its checkpoint's folder at ``<results>/checkpoints/<place>`` when it starts.
    """
    try:
        runs = next(parent for parent in mark.parents if parent.name == ".runs")
    except StopIteration:
        return None
    place = Path(*mark.relative_to(runs).with_suffix("").parts[2:])
    return runs.parent / "checkpoints" / place / "log.jsonl"


@dataclass
class _Job:
    title: str
    weight: float
    log: Path | None
    curve: Path | None  # a training's log.jsonl
    began: float
    bar: TaskID | None = None


class LogHandler(LogHandlerBase):
    """Turns Snakemake's events into progress."""

    def __post_init__(self) -> None:
        """Nothing is shown before the first job starts: a dry run prints plain text."""
        from rich.console import Console  # not above: Snakemake imports this module in every job

        self._console = Console(stderr=True)
        self._running: dict[int, _Job] = {}
        self._total, self._done, self._count, self._finished = 0.0, 0.0, 0, 0
        self._began = time.monotonic()
        self._bars: Progress | None = None
        self._grid: TaskID | None = None
        self._stop = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        event: Any = getattr(record, "event", None)
        handle = {
            LogEvent.RUN_INFO: self._planned,
            LogEvent.JOB_INFO: self._started,
            LogEvent.JOB_FINISHED: self._ended,
            LogEvent.JOB_ERROR: self._failed,
        }.get(event)
        if handle and not self.common_settings.dryrun:
            handle(record)
        elif event in (None, LogEvent.ERROR) and (
            record.levelno >= logging.WARNING or self.common_settings.dryrun
        ):
            message = record.getMessage()
            if not message.startswith("Cannot restore"):  # one for each file that never existed
                self._say(message)

    # -- events -----------------------------------------------------------------------------------

    def _planned(self, record: Any) -> None:
        stats = {rule: n for rule, n in record.stats.items() if rule != "total"}
        self._total = sum(weight(rule) * n for rule, n in stats.items())
        self._count = sum(stats.values())
        self._say(f"{self._count} jobs: " + ", ".join(f"{n} {r}" for r, n in stats.items()))
        if self._console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description:<36}"),
                BarColumn(10),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._grid = self._bars.add_task("grid", total=self._total, note="")
            self._bars.start()
            threading.Thread(target=self._watch, daemon=True).start()

    def _started(self, record: Any) -> None:
        log = Path(str(record.log[0])) if record.log else None
        output = str(record.output[0]) if record.output else ""
        curve = _training_log(Path(output)) if record.rule_name == "train" else None
        name = title(record.rule_name, dict(record.wildcards or {}))
        job = _Job(name, weight(record.rule_name), log, curve, time.monotonic())
        if self._bars:
            job.bar = self._bars.add_task(f"  {job.title}", total=None, note="starting")
        self._running[record.jobid] = job

    def _ended(self, record: Any) -> None:
        job = self._running.pop(record.job_id, None)
        if job is None:
            return
        self._done += job.weight
        self._finished += 1
        left = (
            f", about {format_duration(self._left())} left" if self._finished < self._count else ""
        )
        took = format_duration(time.monotonic() - job.began)
        if self._bars and job.bar is not None:
            self._bars.remove_task(job.bar)
        self._say(f"[{self._finished}/{self._count}] {job.title} ({took}){left}")
        if self._finished == self._count:
            self.close()

    def _failed(self, record: Any) -> None:
        job = self._running.pop(getattr(record, "jobid", -1), None)
        if job is None:
            return
        if self._bars and job.bar is not None:
            self._bars.remove_task(job.bar)
        lines = [f"failed: {job.title}", *_tail(job.log)]
        self._say("\n  ".join(lines))
        if job.log:
            self._say(f"  its log: {job.log}")

    # -- showing ----------------------------------------------------------------------------------

    def _left(self) -> float:
        passed = time.monotonic() - self._began
        return passed / max(self._done, 1e-9) * (self._total - self._done)

    def _watch(self) -> None:
        """Move the bars between events."""
        while not self._stop.wait(0.5):
            bars = self._bars
            if bars is None or self._grid is None:
                return
            part = 0.0
            for job in list(self._running.values()):
                now = last_progress(job.curve)
                if now and job.bar is not None:
                    part += job.weight * now.step / now.of
                    note = f"loss {now.loss:.2f}, {now.tokens_per_second} tok/s, "
                    note += f"{format_duration(now.seconds_left)} left"
                    bars.update(job.bar, total=now.of, completed=now.step, note=note)
            note = f"about {format_duration(self._left())} left" if self._done else ""
            bars.update(self._grid, completed=self._done + part, note=note)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars off the screen."""
        self._stop.set()
        if self._bars:
            self._bars.stop()
            self._bars = None
        super().close()

    # -- what Snakemake asks a handler ------------------------------------------------------------

    @property
    def writes_to_stream(self) -> bool:
        """It replaces Snakemake's own messages."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """It writes no file; Snakemake keeps its own log in ``.snakemake/log``."""
        return False

    @property
    def has_filter(self) -> bool:
        """It chooses what it shows."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It formats what it shows."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It does not."""
        return False


def _tail(log: Path | None) -> list[str]:
    """The last lines of a job's log."""
    if log is None or not log.is_file():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
