"""The command ``xstilts plan``: a plan for people and for programs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xstilts.cost.estimate import make
from xstilts.cost.planned_vs_actual import compare, comparison
from xstilts.cost.wall_time import wall
from xstilts.runtime.format import format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cost.estimate import Plan
    from xstilts.grid.artefacts import Grid


def text(plan: Plan, devices: int) -> str:
    """The plan for people."""
    lines = [f"{plan.study}"]
    for rule in ("train", "evaluate"):
        jobs = [job for job in plan.jobs if job.rule == rule]
        hours = sum(job.gpu_hours for job in jobs)
        tokens = sum(job.train_tokens + job.read_tokens for job in jobs)
        lines.append(
            f"  {rule:<9} {len(jobs):>6,} to do, {plan.there[rule]:>6,} there   "
            f"{hours:>9.2f} GPU-hours   {tokens / 1e9:>9.3f} billion tokens"
        )
    if not plan.jobs:
        return "\n".join([*lines, "  nothing to do"])
    by_place: dict[tuple[str, str], float] = defaultdict(float)
    for job in plan.jobs:
        by_place[job.encoder, job.condition] += job.gpu_hours
    wide = max(len(f"{encoder} {condition}") for encoder, condition in by_place)
    lines.append("  GPU-hours by encoder and condition")
    for (encoder, condition), hours in by_place.items():
        lines.append(f"    {f'{encoder} {condition}':<{wide}} {hours:>9.2f}")
    on, chain = wall(plan.jobs, devices)
    total = sum(job.bytes for job in plan.jobs)
    lines += [
        f"  together {plan.gpu_hours:.2f} GPU-hours; {format_duration(on)} on {devices} "
        f"device{'s' if devices > 1 else ''}, never less than {format_duration(chain)} "
        "(the longest chain)",
        f"  disk: about {total / 1e9:.1f} GB more (checkpoints and predictions)",
    ]
    for encoder, rate in plan.rates.items():
        lines.append(f"  speed of {encoder}: {rate.train:,.0f} tokens/s in training; {rate.basis}")
    bases = Counter(plan.sizes.values())
    said = ", ".join(f"{n} {basis}" for basis, n in sorted(bases.items()))
    lines.append(f"  sizes of {len(plan.sizes)} splits: {said}")
    guessed = sorted(name for name, basis in plan.sizes.items() if basis == "guessed")
    if guessed:
        lines.append(f"  guessed: {', '.join(guessed)}")
    return "\n".join(lines)


def as_json(plan: Plan, devices: int) -> dict[str, Any]:
    """The plan for programs."""
    seconds, chain = wall(plan.jobs, devices)
    return {
        "study": plan.study,
        "there": dict(plan.there),
        "gpu_hours": round(plan.gpu_hours, 4),
        "devices": devices,
        "wall_seconds": round(seconds, 1),
        "longest_chain_seconds": round(chain, 1),
        "bytes": round(sum(job.bytes for job in plan.jobs)),
        "rates": {encoder: asdict(rate) for encoder, rate in plan.rates.items()},
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
    """Print the plans of some studies, or how they compare with what happened."""
    for grid in grids:
        if compared:
            print(comparison(compare(grid)) or f"{grid.study.study}: nothing planned has run yet")
            continue
        plan = make(grid, costs, device=device, count=count)
        if json_:
            print(json.dumps(as_json(plan, devices), ensure_ascii=False))
        else:
            print(text(plan, devices))
    return 0
