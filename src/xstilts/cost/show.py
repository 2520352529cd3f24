"""The output of ``xstilts plan``: a plan as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xstilts.cost import planned_vs_actual
from xstilts.cost.estimate import estimate
from xstilts.cost.wall_time import wall_time
from xstilts.runtime.format import format_bytes, format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cost.estimate import Plan
    from xstilts.grid.artefacts import Grid


def as_text(plan: Plan, devices: int) -> str:
    """A plan as lines of text."""
    lines = [f"{plan.study}"]
    for rule in ("train", "evaluate"):
        jobs = [job for job in plan.jobs if job.rule == rule]
        hours = sum(job.gpu_hours for job in jobs)
        tokens = sum(job.train_tokens + job.read_tokens for job in jobs)
        lines.append(
            f"  {rule:<9} {len(jobs):>6,} to do, {plan.done[rule]:>6,} done    "
            f"{hours:>9.2f} GPU-hours   {tokens / 1e9:>9.3f} billion tokens"
        )
    if not plan.jobs:
        return "\n".join([*lines, "  nothing to do: all results are up to date"])
    by_condition: dict[tuple[str, str], float] = defaultdict(float)
    for job in plan.jobs:
        by_condition[job.encoder, job.condition] += job.gpu_hours
    width = max(len(f"{encoder} {condition}") for encoder, condition in by_condition)
    lines.append("  GPU-hours by encoder and condition")
    for (encoder, condition), hours in by_condition.items():
        lines.append(f"    {f'{encoder} {condition}':<{width}} {hours:>9.2f}")
    seconds, chain = wall_time(plan.jobs, devices)
    total = sum(job.bytes for job in plan.jobs)
    lines += [
        f"  together {plan.gpu_hours:.2f} GPU-hours; {format_duration(seconds)} on {devices} "
        f"device{'s' if devices > 1 else ''}, at least {format_duration(chain)} "
        "(the longest chain)",
        f"  disk: about {format_bytes(round(total))} more for checkpoints and predictions",
    ]
    for encoder, speed in plan.throughputs.items():
        lines.append(f"  {encoder} trains on {speed.training:,.0f} tokens/s; {speed.basis}")
    bases = Counter(plan.sizes.values())
    counts = ", ".join(f"{n} {basis}" for basis, n in sorted(bases.items()))
    lines.append(f"  sizes of {len(plan.sizes)} splits: {counts}")
    guessed = sorted(name for name, basis in plan.sizes.items() if basis == "guessed")
    if guessed:
        lines.append(f"  guessed: {', '.join(guessed)}")
    return "\n".join(lines)


def as_json(plan: Plan, devices: int) -> dict[str, Any]:
    """A plan as JSON values."""
    seconds, chain = wall_time(plan.jobs, devices)
    return {
        "study": plan.study,
        "done": dict(plan.done),
        "gpu_hours": round(plan.gpu_hours, 4),
        "devices": devices,
        "wall_seconds": round(seconds, 1),
        "longest_chain_seconds": round(chain, 1),
        "bytes": round(sum(job.bytes for job in plan.jobs)),
        "throughputs": {encoder: asdict(speed) for encoder, speed in plan.throughputs.items()},
        "sizes": plan.sizes,
        "jobs": [asdict(job) for job in plan.jobs],
    }


def show(
    grids: list[Grid],
    costs: Path,
    *,
    devices: int,
    device: str | None,
    count: bool,
    json_: bool,
    compared: bool,
) -> int:
    """Print the plans of some studies, or compare the plans of their runs with the actual times."""
    for grid in grids:
        if compared:
            print(
                planned_vs_actual.as_text(planned_vs_actual.compare(grid))
                or f"{grid.study.study}: no job of a saved plan has run yet"
            )
            continue
        plan = estimate(grid, costs, device=device, count=count)
        if json_:
            print(json.dumps(as_json(plan, devices), ensure_ascii=False))
        else:
            print(as_text(plan, devices))
    return 0
