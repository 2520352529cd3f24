"""The jobs of a grid that are to be run, and what each of them costs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xstilts.cost.dataset_sizes import Sizes
from xstilts.cost.throughput import Rates
from xstilts.cost.tokens import reading_tokens, training_tokens
from xstilts.provenance.stamp import StampReader
from xstilts.status.score_states import Gaps

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.cost.throughput import Rate, Shape
    from xstilts.cost.tokens import Tokens
    from xstilts.grid.artefacts import Grid, Stage
    from xstilts.grid.keys import Key

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

    A checkpoint that is to be made makes its cells stale.
    """
    sizes, rates = Sizes(grid, costs, count), Rates(grid, costs, device)
    stamps = StampReader()
    gaps = Gaps(grid, stamps)
    there: Counter[Rule] = Counter()
    trainings: dict[Path, Planned] = {}  # by the stamp that they will leave
    evaluations: list[Planned] = []
    for key in grid.trainings():
        stage, inputs = grid.training(*key), grid.training_inputs(*key)
        waits = next((trainings[i.stamp].title for i in inputs if i.stamp in trainings), None)
        if waits is None and stamps.spec(stage.stamp) == stage.digest:
            there["train"] += 1
            continue
        tokens, rate = training_tokens(grid, key, sizes), rates.of(key[0])
        disk = _checkpoint_bytes(rates.shape(key[0]), tokens.trained)
        trainings[stage.stamp] = _planned("train", key, stage, waits, tokens, rate, disk)
    for key in grid.evaluations():
        stage, before = grid.evaluation(*key), trainings.get(grid.evaluated(*key))
        if before:
            languages = grid.resolved.languages[key[3]]
        else:
            languages = [code for code, state in gaps.states(*key).items() if state != "done"]
        if not languages:
            there["evaluate"] += 1
            continue
        tokens, rate = reading_tokens(grid, key[0], key[3], languages, sizes), rates.of(key[0])
        disk = tokens.read / 30 * grid.cards.schema(key[3]).prediction_bytes
        waits = before.title if before else None
        evaluations.append(_planned("evaluate", key, stage, waits, tokens, rate, disk))
    jobs = [*trainings.values(), *evaluations]
    used = {job.encoder: rates.of(job.encoder) for job in jobs}
    return Plan(grid.study.study, there, jobs, sizes.bases, used)


def _planned(
    rule: Rule,
    key: Key,
    stage: Stage,
    needs: str | None,
    tokens: Tokens,
    rate: Rate,
    disk: float,
) -> Planned:
    encoder, condition, seed, what = key
    seconds = rate.start_up + tokens.trained / rate.train + tokens.read / rate.read
    title = f"{rule} {encoder}/{condition}/seed{seed}/{what}"
    return Planned(title, rule, encoder, condition, stage.digest, needs, *tokens, seconds, disk)


def _checkpoint_bytes(shape: Shape, tokens: float) -> float:
    """Float32 of the body and of the embedding rows that occur, by Heaps' law (an estimate)."""
    rows = min(shape.vocabulary, 20 * math.sqrt(tokens))
    return 4 * (shape.body + rows * shape.hidden)
