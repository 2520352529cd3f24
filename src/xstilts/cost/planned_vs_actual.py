"""How long a run was planned to take when it started, and how long it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xstilts.cost.estimate import estimate
from xstilts.evaluation import scores
from xstilts.provenance import files
from xstilts.provenance.run_record import recorded_seconds
from xstilts.runtime.format import format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid
    from xstilts.provenance.digests import Json


def plan_path(grid: Grid) -> Path:
    """The plan that a run saves when it starts."""
    return grid.paths.results / "plan.json"


def save_plan(grid: Grid, costs: Path) -> None:
    """Save the plan of a run that starts; a job that was planned before keeps its first plan."""
    jobs = _planned_jobs(grid)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for job in estimate(grid, costs).jobs:
        if jobs.get(job.title, {}).get("spec") != job.spec:
            jobs[job.title] = {
                "rule": job.rule,
                "spec": job.spec,
                "seconds": round(job.seconds, 1),
                "tokens": round(job.train_tokens + job.read_tokens),
                "planned": now,
            }
    files.write_json(plan_path(grid), {"plan": 1, "jobs": jobs})


@dataclass(frozen=True)
class Comparison:
    """Planned and actual seconds of the jobs of a rule that have run since they were planned."""

    rule: str
    jobs: int
    planned: float
    actual: float


def compare(grid: Grid) -> list[Comparison]:
    """Compare the saved plan with the run records; write ``planned_vs_actual.json``."""
    planned = _planned_jobs(grid)
    records = _run_records(grid)
    rows: dict[str, dict[str, Any]] = {}
    for title, job in planned.items():
        record = records.get((title, job["spec"]))
        run = files.read_json_object(record) if record else {}
        started, seconds = run.get("started"), recorded_seconds(run)
        if isinstance(started, str) and started >= job["planned"] and seconds is not None:
            rows[title] = job | {"actual": seconds, "device": run.get("device_name")}
    comparisons = []
    for rule in ("train", "evaluate"):
        rows_of_rule = [row for row in rows.values() if row["rule"] == rule]
        if rows_of_rule:
            actual = sum(row["actual"] for row in rows_of_rule)
            planned_seconds = sum(row["seconds"] for row in rows_of_rule)
            comparisons.append(Comparison(rule, len(rows_of_rule), planned_seconds, actual))
    if rows:
        result = {"by_rule": [asdict(row) for row in comparisons], "jobs": rows}
        files.write_json(grid.paths.results / "planned_vs_actual.json", result)
    return comparisons


def _planned_jobs(grid: Grid) -> dict[str, Any]:
    """The jobs of the saved plan by title; those that are not whole are left out."""
    jobs = files.read_json_object(plan_path(grid)).get("jobs")
    found = jobs.items() if isinstance(jobs, dict) else ()
    return {title: job for title, job in found if _is_planned(job)}


def _is_planned(job: Json) -> bool:
    return (
        isinstance(job, dict)
        and all(isinstance(job.get(key), str) for key in ("rule", "spec", "planned"))
        and recorded_seconds(job) is not None
    )


def _run_records(grid: Grid) -> dict[tuple[str, str], Path]:
    """Where the jobs of a grid write their run records, by title and spec."""
    records: dict[tuple[str, str], Path] = {}
    for training in grid.reads.trainings():
        artefact = grid.training(training)
        records[f"train {training}", artefact.digest] = artefact.folder / "run.json"
    for key in grid.reads.evaluations():
        record = scores.run_record(grid.paths.scores(key))
        records[f"evaluate {key}", grid.evaluation(key).digest] = record
    return records


def as_text(comparisons: list[Comparison]) -> str:
    """A line for each rule."""
    return "\n".join(
        f"planned and actual time, {row.rule}: {row.jobs:,} jobs planned "
        f"{format_duration(row.planned)}, "
        f"took {format_duration(row.actual)} ({row.actual / max(row.planned, 0.1):.2f} times)"
        for row in comparisons
    )
