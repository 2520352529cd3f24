"""The jobs that a run of a grid would start, and what each of them costs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xstilts.cost.dataset_sizes import DatasetSizes
from xstilts.cost.throughput import Throughputs
from xstilts.cost.tokens import JobTokens, evaluation_rows, training_tokens
from xstilts.status.states import States

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cost.throughput import EncoderSize, Throughput
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import EvaluationKey, TrainingKey

Rule = Literal["train", "evaluate"]

PACKED = 0.75
"""The share of its float32 numbers that a checkpoint takes on disk (docs/performance.md)."""


@dataclass(frozen=True)
class PlannedJob:
    """A job that a run would start."""

    title: str
    rule: Rule
    encoder: str
    condition: str
    spec: str
    waits_for: str | None
    """Title of the job that it waits for."""
    train_tokens: float
    read_tokens: float
    seconds: float
    bytes: float
    """What it adds to the disk."""

    @property
    def gpu_hours(self) -> float:
        """The hours for which it occupies its device."""
        return self.seconds / 3600


@dataclass(frozen=True)
class Plan:
    """All jobs that a run of a grid would start."""

    study: str
    done: Counter[Rule]
    """Jobs that are done, by rule."""
    jobs: list[PlannedJob]
    sizes: dict[str, str]
    """How the size of each task and split is known (`BASES`), by ``task/split``."""
    throughputs: dict[str, Throughput]
    """By encoder."""

    @property
    def gpu_hours(self) -> float:
        """Of all jobs."""
        return sum(job.gpu_hours for job in self.jobs)


def estimate(grid: Grid, costs: Path, *, device: str | None = None, count: bool = False) -> Plan:
    """Plan the jobs whose results are missing or stale, from stamps, scores and run records.

    ``costs`` is the folder ``config/costs``. ``device`` and ``count`` are those of `Throughputs`
    and `DatasetSizes`. Writes nothing but the counts of tokens, with ``count``.

    Scores that are done stay done if their checkpoint was deleted: it is not trained again.
    """
    sizes, throughputs = DatasetSizes(grid, costs, count), Throughputs(grid, costs, device)
    states = States(grid)
    done: Counter[Rule] = Counter()
    trainings: dict[Path, PlannedJob] = {}  # by the stamp that they write
    counted: set[Path] = set()
    evaluations: list[PlannedJob] = []
    for key in grid.reads.trainings():
        artefact, start = grid.training(key), grid.start_of(key).stamp
        waits_for = trainings[start].title if start in trainings else None
        if artefact.stamp in counted:  # another condition shares this checkpoint
            continue
        counted.add(artefact.stamp)
        if states.training(key) == "done":
            done["train"] += 1
            continue
        tokens, throughput = training_tokens(grid, key, sizes), throughputs.of(key.encoder)
        size = throughputs.encoder_size(key.encoder)
        disk = _checkpoint_bytes(size, tokens.trained, whole_vocabulary=_after_mlm(grid, key))
        trainings[artefact.stamp] = _planned(
            "train", key, artefact, waits_for, tokens, throughput, disk
        )
    for scored in grid.reads.evaluations():
        artefact, before = grid.evaluation(scored), trainings.get(grid.evaluated(scored).stamp)
        encoder, target = scored.encoder, scored.target
        languages = [code for code, state in states.scores(scored).items() if state != "done"]
        if not languages:
            done["evaluate"] += 1
            continue
        read, throughput = (
            evaluation_rows(grid, encoder, target, languages, sizes),
            throughputs.of(encoder),
        )
        tokens = JobTokens(0.0, sum(part.rows * part.row_tokens for part in read))
        disk = sum(part.rows for part in read) * grid.cards.schema(target).prediction_bytes
        waits_for = before.title if before else None
        evaluations.append(
            _planned("evaluate", scored, artefact, waits_for, tokens, throughput, disk)
        )
    jobs = [*trainings.values(), *evaluations]
    used = {job.encoder: throughputs.of(job.encoder) for job in jobs}
    return Plan(grid.study.study, done, jobs, sizes.bases, used)


def _planned(
    rule: Rule,
    key: TrainingKey | EvaluationKey,
    artefact: Artefact,
    waits_for: str | None,
    tokens: JobTokens,
    throughput: Throughput,
    disk: float,
) -> PlannedJob:
    encoder, condition = key.encoder, key.condition
    seconds = (
        throughput.start_up_seconds
        + tokens.trained / throughput.training
        + tokens.read / throughput.reading
    )
    title = f"{rule} {key}"
    return PlannedJob(
        title, rule, encoder, condition, artefact.digest, waits_for, *tokens, seconds, disk
    )


def _checkpoint_bytes(size: EncoderSize, tokens: float, *, whole_vocabulary: bool) -> float:
    """The body and the embedding rows that occur, by Heaps' law, in packed float32."""
    rows = size.vocabulary
    if not whole_vocabulary:
        rows = min(rows, round(20 * math.sqrt(tokens)))
    return PACKED * 4 * (size.body + rows * size.hidden)


def _after_mlm(grid: Grid, key: TrainingKey) -> bool:
    """Whether a training or one before it mixes masked language modelling in."""
    before = grid.reads.training_before(key)
    return grid.reads.mixes_mlm(key.condition, key.stage) or (
        before is not None and _after_mlm(grid, before)
    )
