"""Status: what of a grid is there, seen from its files alone, while a run goes on or after it.

No DAG is built and no torch is loaded: stamps, cells and the small files in which jobs tell their
state (`xstilts.runtime.job_state`) are read and compared with the specs that the study asks for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xstilts.provenance.stamp import StampReader
from xstilts.runtime.job_state import JobState, read_state
from xstilts.status.score_states import Gaps
from xstilts.training.log import last_line

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid


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
    picture, stamps = Picture(grid.study.study), StampReader()
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
