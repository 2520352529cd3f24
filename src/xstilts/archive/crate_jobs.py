"""The jobs of a study as actions of its crate: what each read and left, and its run record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from xstilts.provenance.files import read_json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from xstilts.archive.layout import Places
    from xstilts.grid.artefacts import Grid


_DRAWN = ("results/gains.csv", "results/report/")
"""What the report leaves beside its page."""


@dataclass(frozen=True)
class Job:
    """One job of a rule: what it read and left, as ids of the crate, and its run record."""

    rule: str
    place: str
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def started(self) -> datetime | None:
        """When it began; None where that is not recorded."""
        try:
            started = datetime.fromisoformat(self.record["started"])
        except (KeyError, TypeError, ValueError):
            return None
        return started if started.tzinfo else None

    @property
    def ended(self) -> datetime | None:
        """When it ended; None where that is not recorded."""
        started, seconds = self.started, self.record.get("seconds")
        if started is None or not isinstance(seconds, int | float):
            return None
        try:
            return started + timedelta(seconds=round(seconds))
        except (ValueError, OverflowError):  # a stranger's record: NaN, or thousands of years
            return None


def jobs_of(grid: Grid, places: Places, members: Mapping[str, Path | bytes]) -> Iterator[Job]:
    """Every job of the grid of which a result is a member, in the order of the flow."""
    reads = grid.reads

    def job(rule: str, place: object, inputs: Iterable[str], *results: Path) -> Iterator[Job]:
        left = tuple(name for name in map(places.name_of, results) if name in members)
        if left:
            record = read_json_object(_record(results[0]))
            present = tuple(x for x in inputs if x.startswith("#") or x in members)
            yield Job(rule, str(place), present, left, record)

    for name in grid.study.encoders:
        yield from job("fetch_encoder", name, [f"#encoder/{name}"], grid.encoder(name).stamp)
    for task, split, languages in reads.needed_examples():
        folder = grid.examples(task, split).folder
        stamps = (folder / f"{language}.json" for language in languages)
        yield from job("prepare_examples", f"{task}/{split}", [f"#dataset/{task}"], *stamps)
    # conditions and recipes that need the same checkpoint share one training
    first = {grid.training(key).digest: key for key in reversed(reads.trainings())}
    for key in (key for key in reads.trainings() if first[grid.training(key).digest] == key):
        examples = [
            examples_id(*x[:2]) for x in reads.examples_of_training(key.condition, key.stage)
        ]
        start = places.name_of(grid.start_of(key).stamp)
        inputs = dict.fromkeys([start, *examples])
        yield from job("train", key, inputs, grid.training(key).stamp)
    for scored in reads.evaluations():
        path = grid.paths.scores(scored)
        examples = [examples_id(scored.target, split) for split in reads.splits_read(scored.target)]
        inputs = dict.fromkeys([places.name_of(grid.evaluated(scored).stamp), *examples])
        yield from job("evaluate", scored, inputs, path, path.with_suffix(".zip"))
    paths = grid.paths
    read = [examples_id(task, split) for task, split, _ in reads.needed_examples()]
    yield from job("check_contamination", "study", read, paths.contamination)
    yield from job("collect_scores", "study", _scores(members), paths.table)
    table = [places.name_of(paths.table)]
    drawn = [places.path_of(name) for name in sorted(members) if name.startswith(_DRAWN)]
    yield from job("write_report", "study", table, paths.report, *drawn)


def _record(result: Path) -> Path:
    """The run record of the job that left a file."""
    if result.suffix == ".jsonl":
        return result.with_suffix(".run.json")
    return result.with_name("run.json")


def _scores(members: Iterable[str]) -> list[str]:
    return sorted(x for x in members if x.startswith("results/scores/") and x.endswith(".jsonl"))


def examples_id(task: str, split: str) -> str:
    """The id of the examples of a task and split in all languages."""
    return f"#examples/{task}/{split}"
