"""Plan and truth: what a run planned when it started, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xstilts.cost.estimate import make
from xstilts.evaluation import scores
from xstilts.provenance import files
from xstilts.provenance.stamp import StampReader
from xstilts.runtime.format import format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.grid.artefacts import Grid


def frozen_path(grid: Grid) -> Path:
    """Where a run keeps what was planned before it."""
    return grid.paths.results / "plan.json"


def freeze(grid: Grid, costs: Path) -> None:
    """When a run starts: keep what is planned. A job keeps its first plan over several starts."""
    before = files.read_json_object(frozen_path(grid)).get("jobs", {})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for job in make(grid, costs).jobs:
        if before.get(job.title, {}).get("spec") != job.spec:
            before[job.title] = {
                "rule": job.rule,
                "spec": job.spec,
                "seconds": round(job.seconds, 1),
                "tokens": round(job.train_tokens + job.read_tokens),
                "planned": now,
            }
    files.write_json(frozen_path(grid), {"plan": 1, "jobs": before})


@dataclass(frozen=True)
class Compared:
    """Planned and true seconds of the jobs of one rule that have run since they were planned."""

    rule: str
    jobs: int
    planned: float
    took: float


def compare(grid: Grid) -> list[Compared]:
    """Compare the frozen plan with the run records; keep it as ``plan_vs_truth.json``."""
    planned = files.read_json_object(frozen_path(grid)).get("jobs", {})
    rows: dict[str, dict[str, Any]] = {}
    for title, job in planned.items():
        run = _run_of(grid, title, job)
        if run is not None:
            rows[title] = job | {"took": run["seconds"], "device": run.get("device_name")}
    found = []
    for rule in ("train", "evaluate"):
        of = [row for row in rows.values() if row["rule"] == rule]
        if of:
            took = sum(row["took"] for row in of)
            found.append(Compared(rule, len(of), sum(row["seconds"] for row in of), took))
    if rows:
        says = {"by_rule": [asdict(row) for row in found], "jobs": rows}
        files.write_json(grid.paths.results / "plan_vs_truth.json", says)
    return found


def _run_of(grid: Grid, title: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a job's run after it was planned; None where it has not run here."""
    rule, _, place = title.partition(" ")
    if rule == "train":
        stamp = grid.paths.results / "checkpoints" / place / "stamp.json"
        if StampReader().spec(stamp) != job["spec"]:
            return None
        run = files.read_json_object(stamp.with_name("run.json"))
    else:
        path = scores.run_record(grid.paths.results / "scores" / f"{place}.jsonl")
        run = files.read_json_object(path)
    return run if run.get("started", "") >= job["planned"] else None


def comparison(found: list[Compared]) -> str:
    """The comparison in one line for each rule."""
    return "\n".join(
        f"plan and truth, {row.rule}: {row.jobs:,} jobs planned {format_duration(row.planned)}, "
        f"took {format_duration(row.took)} ({row.took / row.planned:.2f} times)"
        for row in found
    )
