"""Scores on development data, which the trainings of a grid record in their stamps.

A target's development score is that of the training on its recipe: the primary metric of the
English development data by which the checkpoint was chosen. A target that is scored without a
training of its own, such as retrieval, has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from xstilts.grid.keys import INTERMEDIATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.grid.keys import EvaluationKey, TrainingKey
    from xstilts.status.states import States


@dataclass(frozen=True)
class DevScores:
    """The development scores of a grid.

    ``table``: a row for each evaluation that has one, as an `Analysis` reads them; its language is
    that of the development data. ``untrained``: targets without a training of their own.
    ``missing``: evaluations of the other targets whose training records no score.
    """

    table: pd.DataFrame
    untrained: frozenset[str]
    missing: tuple[EvaluationKey, ...]


class _Row(NamedTuple):
    encoder: str
    condition: str
    seed: int
    target: str
    language: str
    score: float
    n: int
    spec: str
    task_type: str
    metric: str
    warnings: str = ""


def dev_scores(states: States) -> DevScores:
    """Read the development scores of a grid from the stamps of its trainings.

    A training that is missing or out of date, or whose last checkpoint was kept without a choice,
    has none.
    """
    grid = states.grid
    rows: list[_Row] = []
    missing: list[EvaluationKey] = []
    untrained: set[str] = set()
    for key in grid.reads.evaluations():
        training = grid.reads.evaluated_training(key)
        if training is None or training.stage == INTERMEDIATE:
            untrained.add(key.target)
            continue
        found = list(_rows(states, key, training))
        rows += found
        if not found:
            missing.append(key)
    table = pd.DataFrame(rows, columns=_Row._fields).astype({"score": "float64"})
    return DevScores(table, frozenset(untrained), tuple(missing))


def _rows(states: States, key: EvaluationKey, training: TrainingKey) -> Iterator[_Row]:
    if states.training(training) != "done":
        return
    artefact, card = states.grid.training(training), states.grid.cards.task(training.stage)
    stamp = states.stamps.of(artefact.stamp)
    selection: dict[str, Any] = (stamp.mapping("outcomes") if stamp else {}).get("selection", {})
    score = selection.get("dev", {}).get(card.task)
    if score is not None:
        yield _Row(
            *key,
            card.training_language,
            score,
            selection["dev_examples"][card.task],
            artefact.digest,
            card.task_type,
            card.primary,
        )
