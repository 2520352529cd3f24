"""The jobs of a grid that are to be run, and what each of them costs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xstilts.cost.dataset_sizes import Sizes
from xstilts.cost.throughput import Rates
from xstilts.cost.tokens import reading_tokens, training_tokens
from xstilts.status.states import States

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cost.throughput import Rate, Shape
    from xstilts.cost.tokens import Tokens
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import EvaluationKey, TrainingKey

Rule = Literal["train", "evaluate"]


@dataclass(frozen=True)
class Planned:
    """One job that is to be run."""

    title: str
    rule: Rule
    encoder: str
    condition: str
    spec: str
    needs: str | None  # title of the job that it waits for
    train_tokens: float
    read_tokens: float
    seconds: float
    bytes: float

    @property
    def gpu_hours(self) -> float:
        """The hours that its device is taken."""
        return self.seconds / 3600


@dataclass(frozen=True)
class Plan:
    """All jobs of a grid that are to be run, and what is there."""

    study: str
    there: Counter[Rule]
    jobs: list[Planned]
    sizes: dict[str, str]
    """How the size of each task and split is known that a job reads."""
    rates: dict[str, Rate]

    @property
    def gpu_hours(self) -> float:
        """Of all jobs together."""
        return sum(job.gpu_hours for job in self.jobs)


def make(grid: Grid, costs: Path, *, device: str | None = None, count: bool = False) -> Plan:
    """Plan what is missing or stale. Reads stamps, cells and run records; changes nothing.

    Scores that are done stay done if their checkpoint was deleted: it is not trained again.
    """
    sizes, rates = Sizes(grid, costs, count), Rates(grid, costs, device)
    states = States(grid)
    there: Counter[Rule] = Counter()
    trainings: dict[Path, Planned] = {}  # by the stamp that they will leave
    evaluations: list[Planned] = []
    for key in grid.reads.trainings():
        artefact, start = grid.training(key), grid.start_of(key).stamp
        waits = trainings[start].title if start in trainings else None
        if artefact.stamp in trainings:  # another condition's training computes this checkpoint
            continue
        if states.training(key) == "done":
            there["train"] += 1
            continue
        tokens, rate = training_tokens(grid, key, sizes), rates.of(key[0])
        disk = _checkpoint_bytes(rates.shape(key[0]), tokens.trained)
        trainings[artefact.stamp] = _planned("train", key, artefact, waits, tokens, rate, disk)
    for scored in grid.reads.evaluations():
        artefact, before = grid.evaluation(scored), trainings.get(grid.evaluated(scored).stamp)
        encoder, target = scored.encoder, scored.target
        languages = [code for code, state in states.scores(scored).items() if state != "done"]
        if not languages:
            there["evaluate"] += 1
            continue
        tokens, rate = reading_tokens(grid, encoder, target, languages, sizes), rates.of(encoder)
        disk = tokens.read / 30 * grid.cards.schema(target).prediction_bytes
        waits = before.title if before else None
        evaluations.append(_planned("evaluate", scored, artefact, waits, tokens, rate, disk))
    jobs = [*trainings.values(), *evaluations]
    used = {job.encoder: rates.of(job.encoder) for job in jobs}
    return Plan(grid.study.study, there, jobs, sizes.bases, used)


def _planned(
    rule: Rule,
    key: TrainingKey | EvaluationKey,
    artefact: Artefact,
    needs: str | None,
    tokens: Tokens,
    rate: Rate,
    disk: float,
) -> Planned:
    encoder, condition = key[:2]
    seconds = rate.start_up + tokens.trained / rate.train + tokens.read / rate.read
    title = f"{rule} {key}"
    return Planned(title, rule, encoder, condition, artefact.digest, needs, *tokens, seconds, disk)


def _checkpoint_bytes(shape: Shape, tokens: float) -> float:
    """Float32 of the body and of the embedding rows that occur, by Heaps' law (an estimate)."""
    rows = min(shape.vocabulary, 20 * math.sqrt(tokens))
    return 4 * (shape.body + rows * shape.hidden)
