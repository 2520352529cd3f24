"""The overview of a grid: the states of its scores, trainings and jobs, from files alone.

It builds no DAG and loads no torch. It reads stamps, scores and the small files in which jobs
record their state (`xstilts.runtime.job_state`) and compares them with the specs of the grid.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xstilts.runtime.job_state import JobState, read_state
from xstilts.status.states import States
from xstilts.training.log import last_progress

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid


State = Literal["done", "stale", "running", "failed", "missing"]
STATES: tuple[State, ...] = ("done", "stale", "running", "failed", "missing")
"""``stale``: on disk, but not as the study asks for it now; ``failed``: the last attempt ended
in an error; ``missing``: not on disk, and no job works on it."""


@dataclass(frozen=True)
class Job:
    """A job that runs, or whose last attempt failed."""

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
class Overview:
    """The state of a grid at one moment."""

    study: str
    trainings: Counter[State] = field(default_factory=Counter)
    scores: Counter[State] = field(default_factory=Counter)
    by_condition: dict[tuple[str, str, str], Counter[State]] = field(default_factory=dict)
    """Counts of scores by encoder, condition and target."""
    jobs: list[Job] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Scores that are not as they were written: file, language and what was changed."""
    other_versions: Counter[str] = field(default_factory=Counter)
    """Counts of kept scores by the version of the code that computed them."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "study": self.study,
            "trainings": dict(self.trainings),
            "scores": dict(self.scores),
            "by_condition": [
                {"encoder": e, "condition": c, "target": t, **counts}
                for (e, c, t), counts in self.by_condition.items()
            ],
            "jobs": [asdict(job) for job in self.jobs],
            "changed": self.changed,
            "other_versions": dict(self.other_versions),
        }


def survey(grid: Grid) -> Overview:
    """The states of all trainings and scores of a grid, and the jobs of those that are not done."""
    overview, states = Overview(grid.study.study), States(grid)
    for key in grid.reads.trainings():
        state: State = states.training(key)
        if state != "done":
            job_state = read_state(grid.paths.log("train", key))
            state = _with_job(state, job_state)
            if job_state and state in ("running", "failed"):
                log = grid.training(key).folder / "log.jsonl" if state == "running" else None
                overview.jobs.append(_job(f"train {key}", state, job_state, log))
        overview.trainings[state] += 1
    for scored in grid.reads.evaluations():
        counts = overview.by_condition.setdefault(
            (scored.encoder, scored.condition, scored.target), Counter()
        )
        of_scores: list[State] = [*states.scores(scored).values()]
        if any(state != "done" for state in of_scores):
            path = grid.paths.scores(scored)
            faults = states.faults(scored)
            overview.changed += [f"{path}: {code}: {fault}" for code, fault in faults.items()]
            job_state = read_state(grid.paths.log("evaluate", scored))
            of_scores = [s if s == "done" else _with_job(s, job_state) for s in of_scores]
            for outcome in ("running", "failed"):
                if job_state and outcome in of_scores:
                    overview.jobs.append(_job(f"evaluate {scored}", outcome, job_state, None))
        overview.other_versions.update(states.versions(scored).values())
        counts.update(of_scores)
    for counts in overview.by_condition.values():
        overview.scores.update(counts)
    return overview


def _with_job(state: State, job_state: JobState | None) -> State:
    """The state of an artefact, given the recorded state of its job."""
    if job_state is None or job_state.outcome == "ok":
        return state
    return "running" if job_state.outcome == "running" else "failed"


def _job(title: str, state: State, job_state: JobState, curve: Path | None) -> Job:
    now = last_progress(curve)
    return Job(
        title,
        state,
        str(job_state.log),
        job_state.host,
        job_state.started,
        job_state.reason,
        job_state.slurm_job,
        now.step if now else None,
        now.of if now else None,
        now.seconds_left if now else None,
    )
