"""The state of a grid as tables in a terminal."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from xstilts.runtime.format import format_duration
from xstilts.status.overview import STATES, Job, Overview, State, survey

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from rich.console import RenderableType

    from xstilts.grid.artefacts import Grid

_STYLES: dict[State, str] = {
    "done": "green",
    "stale": "yellow",
    "running": "cyan",
    "failed": "bold red",
    "missing": "dim",
}
_SHOWN = 12


def render(overview: Overview, width: int = 100) -> RenderableType:
    """The overview for a terminal: totals, condition x target, what runs, what failed."""
    from rich.console import Group

    parts: list[RenderableType] = [
        _totals("trainings", overview.trainings),
        _totals("scores", overview.scores),
    ]
    for encoder in dict.fromkeys(encoder for encoder, _, _ in overview.by_condition):
        parts += _tables(overview, encoder, width)
    for state in ("running", "failed"):
        jobs = [job for job in overview.jobs if job.state == state]
        parts += [_line(job) for job in jobs[:_SHOWN]]
        if len(jobs) > _SHOWN:
            parts.append(f"... and {len(jobs) - _SHOWN} more {state}; all: xstilts status --json")
    return Group(*parts, *_kept(overview.other_versions), *_changed(overview.changed))


def _kept(versions: Counter[str]) -> Iterator[RenderableType]:
    """A line for each other version of the code whose scores are kept."""
    for name, count in sorted(versions.items()):
        yield f"{count:,} scores kept from another version of the code: snapshot {name}"


def _changed(scores: list[str]) -> Iterator[RenderableType]:
    """The scores that are not as they were written, and what to do."""
    from rich.text import Text

    yield from (Text(f"changed {score}", "bold red") for score in scores[:_SHOWN])
    if len(scores) > _SHOWN:
        yield f"... and {len(scores) - _SHOWN} more changed; all: xstilts status --json"
    if scores:
        yield "A run computes them again; xstilts audit finds what else was changed."


def _tables(overview: Overview, encoder: str, width: int) -> Iterator[RenderableType]:
    """One encoder's per cent of done scores, in as many tables as the terminal's width needs."""
    from rich.table import Table

    conditions = list(dict.fromkeys(c for e, c, _ in overview.by_condition if e == encoder))
    targets = list(dict.fromkeys(t for e, _, t in overview.by_condition if e == encoder))
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
            places = [overview.by_condition[encoder, condition, target] for target in now]
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
            text.append(f", {format_duration(job.seconds_left)} left")
    if job.state == "failed":
        text.append(f"\n        {job.reason}\n        its log: {job.log}")
    return text


def show(grid: Grid, *, as_json: bool = False, watch: float | None = None) -> int:
    """Print the overview once, or again and again until interrupted. Status 1 if a job failed."""
    overview = survey(grid)
    if as_json:
        print(json.dumps(overview.as_json(), ensure_ascii=False))
    elif watch is None:
        from rich.console import Console

        console = Console()
        console.print(render(overview, console.width))
    else:
        from rich.live import Live

        try:
            with Live(render(overview), refresh_per_second=2) as live:
                while True:
                    live.update(render(overview, live.console.width))
                    time.sleep(watch)
                    overview = survey(grid)
        except KeyboardInterrupt:
            pass
    return 1 if overview.scores["failed"] or overview.trainings["failed"] else 0
