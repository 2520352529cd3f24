"""Status: what of a grid is there, seen from its files alone, while a run goes on or after it.

No DAG is built and no torch is loaded: stamps, cells and the small files in which jobs tell their
state (`xstilts.jobstate`) are read and compared with the specs that the study asks for.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xstilts.gaps import Gaps
from xstilts.jobstate import JobState, clock, last_line, read_state
from xstilts.stamps import Stamps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import RenderableType

    from xstilts.grid.stages import Grid

State = Literal["done", "stale", "running", "failed", "missing"]
STATES: tuple[State, ...] = ("done", "stale", "running", "failed", "missing")
"""``stale``: there, but not what the study asks for now; ``failed``: the last attempt ended in an
error; ``missing``: not there, and nobody is at work on it."""


@dataclass(frozen=True)
class Job:
    """A job that is at work, or whose last attempt failed."""

    title: str
    state: State
    log: str
    host: str
    started: str
    reason: str | None = None
    slurm_job: str | None = None
    step: int | None = None
    of: int | None = None
    seconds_left: float | None = None


@dataclass
class Picture:
    """The state of a grid at one moment."""

    study: str
    trainings: Counter[State] = field(default_factory=Counter)
    cells: Counter[State] = field(default_factory=Counter)
    by_place: dict[tuple[str, str, str], Counter[State]] = field(default_factory=dict)
    """Counts of cells by encoder, condition and target."""
    jobs: list[Job] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.study,
            "trainings": dict(self.trainings),
            "cells": dict(self.cells),
            "by_place": [
                {"encoder": e, "condition": c, "target": t, **counts}
                for (e, c, t), counts in self.by_place.items()
            ],
            "jobs": [asdict(job) for job in self.jobs],
        }


def look(grid: Grid) -> Picture:
    """See what is there."""
    picture, stamps = Picture(grid.study.study), Stamps()
    gaps = Gaps(grid, stamps)
    for key in grid.trainings():
        encoder, condition, seed, stage = key
        training = grid.training(*key)
        found = stamps.of(training.stamp)
        state: State = "missing"
        if found is not None:
            state = "done" if found.spec == training.digest else "stale"
        if state != "done":
            place = f"{encoder}/{condition}/seed{seed}/{stage}"
            told = read_state(grid.results / "logs/train" / f"{place}.log")
            state = _with_job(state, told)
            if told and state in ("running", "failed"):
                curve = training.stamp.parent / "log.jsonl" if state == "running" else None
                picture.jobs.append(_job(f"train {place}", state, told, curve))
        picture.trainings[state] += 1
    for encoder, condition, seed, target in grid.evaluations():
        counts = picture.by_place.setdefault((encoder, condition, target), Counter())
        place = f"{encoder}/{condition}/seed{seed}/{target}"
        states: list[State] = [*gaps.states(encoder, condition, seed, target).values()]
        if any(state != "done" for state in states):
            told = read_state(grid.results / "logs/evaluate" / f"{place}.log")
            states = [s if s == "done" else _with_job(s, told) for s in states]
            for kind in ("running", "failed"):
                if told and kind in states:
                    picture.jobs.append(_job(f"evaluate {place}", kind, told, None))
        counts.update(states)
    for counts in picture.by_place.values():
        picture.cells.update(counts)
    return picture


def _with_job(state: State, told: JobState | None) -> State:
    """What a job's own word adds to what its files say."""
    if told is None or told.outcome == "ok":
        return state
    return "running" if told.outcome == "running" else "failed"


def _job(title: str, state: State, told: JobState, curve: Path | None) -> Job:
    now = last_line(curve) or {}
    return Job(
        title,
        state,
        str(told.log),
        told.host,
        told.started,
        told.reason,
        told.slurm_job,
        now.get("step"),
        now.get("of"),
        now.get("seconds_left"),
    )


# --- showing -------------------------------------------------------------------------------------

_STYLES: dict[State, str] = {
    "done": "green",
    "stale": "yellow",
    "running": "cyan",
    "failed": "bold red",
    "missing": "dim",
}
_SHOWN = 12


def drawn(picture: Picture, width: int = 100) -> RenderableType:
    """The picture for a terminal: totals, condition x target, what runs, what failed."""
    from rich.console import Group

    parts: list[RenderableType] = [
        _totals("trainings", picture.trainings),
        _totals("cells", picture.cells),
    ]
    for encoder in dict.fromkeys(encoder for encoder, _, _ in picture.by_place):
        parts += _tables(picture, encoder, width)
    for state in ("running", "failed"):
        jobs = [job for job in picture.jobs if job.state == state]
        parts += [_line(job) for job in jobs[:_SHOWN]]
        if len(jobs) > _SHOWN:
            parts.append(f"... and {len(jobs) - _SHOWN} more {state}; all: xstilts status --json")
    return Group(*parts)


def _tables(picture: Picture, encoder: str, width: int) -> Iterator[RenderableType]:
    """One encoder's per cent of done cells, in as many tables as the terminal's width needs."""
    from rich.table import Table

    conditions = list(dict.fromkeys(c for e, c, _ in picture.by_place if e == encoder))
    targets = list(dict.fromkeys(t for e, _, t in picture.by_place if e == encoder))
    while targets:
        left, taken = width - max(len(encoder), *map(len, conditions)) - 2, 0
        while taken < len(targets) and (left := left - max(len(targets[taken]), 8) - 2) >= 0:
            taken += 1
        now, targets = targets[: max(taken, 1)], targets[max(taken, 1) :]
        table = Table(box=None, header_style="dim")
        table.add_column(encoder, no_wrap=True)
        for target in now:
            table.add_column(target, justify="right", no_wrap=True)
        for condition in conditions:
            places = [picture.by_place[encoder, condition, target] for target in now]
            table.add_row(condition, *map(_place, places))
        yield table


def _totals(what: str, counts: Counter[State]) -> RenderableType:
    from rich.text import Text

    text = Text(f"{what:<10}{counts['done']:,} of {counts.total():,} done", "bold")
    for state in STATES[1:]:
        if counts[state]:
            text.append(f", {counts[state]:,} {state}", _STYLES[state])
    return text


def _place(counts: Counter[State]) -> RenderableType:
    """``96% sr``: per cent done, never rounded up to all, and the first letters of what else is."""
    from rich.text import Text

    text = Text(f"{100 * counts['done'] // counts.total()}%")
    others = [state for state in STATES[1:-1] if counts[state]]
    if others:
        text.append(" ")
    for state in others:
        text.append(state[0], _STYLES[state])
    if counts["done"] == counts.total():
        text.stylize(_STYLES["done"])
    return text


def _line(job: Job) -> RenderableType:
    from rich.text import Text

    where = job.host + (f", Slurm job {job.slurm_job}" if job.slurm_job else "")
    text = Text(f"{job.state:<8}", _STYLES[job.state]).append(f"{job.title}  ({where})", "")
    if job.step and job.of:
        text.append(f"  step {job.step} of {job.of}")
        if job.seconds_left is not None:
            text.append(f", {clock(job.seconds_left)} left")
    if job.state == "failed":
        text.append(f"\n        {job.reason}\n        its log: {job.log}")
    return text


def show(grid: Grid, *, as_json: bool = False, watch: float | None = None) -> int:
    """Print the picture once, or again and again until interrupted. Status 1 if a job failed."""
    picture = look(grid)
    if as_json:
        print(json.dumps(picture.as_json(), ensure_ascii=False))
    elif watch is None:
        from rich.console import Console

        console = Console()
        console.print(drawn(picture, console.width))
    else:
        from rich.live import Live

        try:
            with Live(drawn(picture), refresh_per_second=2) as live:
                while True:
                    live.update(drawn(picture, live.console.width))
                    time.sleep(watch)
                    picture = look(grid)
        except KeyboardInterrupt:
            pass
    return 1 if picture.cells["failed"] or picture.trainings["failed"] else 0
