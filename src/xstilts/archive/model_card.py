"""The README of an exported checkpoint: a model card in the Hub's form, with the lineage.

Everything stands in stamps, scores and cards already; the card puts it in the words of the Hub
(https://huggingface.co/docs/hub/model-cards), so that a model that is passed on says what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.grid.snapshot import latest_snapshot, load_snapshot
from xstilts.provenance.digests import file_sha256
from xstilts.runtime import templates
from xstilts.status.states import States

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.keys import TrainingKey

_LICENCES = {
    "mit": "mit",
    "apache-2.0": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "bsd-3-clause": "bsd-3-clause",
    "cc0-1.0": "cc0-1.0",
    "cc-by-4.0": "cc-by-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0",
}
"""Licences as cards write them, in the Hub's identifiers; any other one is ``other`` there."""


@dataclass(frozen=True)
class Stage:
    """One training of the lineage: its name, its stamp's sha256, its tasks with their examples."""

    key: TrainingKey
    sha256: str | None
    tasks: list[TaskCard]
    outcomes: dict[str, Any]


@dataclass(frozen=True)
class ListedScore:
    """The primary metric of the checkpoint on a target in a language, in per cent."""

    target: str
    language: str
    metric: str
    score: float | None
    n: int


def model_card(stamp: Path, study: Path, head: str | None = None) -> str:
    """The model card of a checkpoint of a study, as Markdown with a YAML header.

    ``stamp``: of the checkpoint. ``study``: the folder of the study's results, ``results/<study>``.
    ``head``: the task whose head is exported. Raises `LineageError` where the study was not run
    there, or did not train this checkpoint.
    """
    snapshot = latest_snapshot(study)
    if snapshot is None:
        raise LineageError(f"{study}: was not run or imported here; name the folder of a study")
    grid = load_snapshot(snapshot)
    states = States(grid)
    sha256 = file_sha256(stamp)
    for key in grid.reads.trainings():
        if states.stamps.sha256(grid.training(key).stamp) == sha256:
            break
    else:
        raise LineageError(
            f"{study}: its latest run did not train the checkpoint of {stamp}; name the folder of "
            "the study that did"
        )
    encoder = grid.cards.encoder(key.encoder)
    environment = templates.environment("archive", html=False)
    environment.filters["text"] = _escaped
    lineage = list(_lineage(states, key))
    return environment.get_template("model_card.md").render(
        header=_header(encoder, key, lineage).to_yaml(),
        study=grid.study.study,
        snapshot=snapshot.stem,
        key=key,
        head=head,
        encoder=encoder,
        encoder_sha256=states.stamps.sha256(grid.encoder(key.encoder).stamp),
        lineage=lineage,
        spec=grid.training(key).digest,
        sha256=sha256,
        environment=grid.environment,
        scores=list(_scores(states, key)),
    )


def _lineage(states: States, key: TrainingKey) -> Iterator[Stage]:
    """The trainings that led to a checkpoint, the first one first."""
    grid = states.grid
    before = grid.reads.training_before(key)
    if before is not None:
        yield from _lineage(states, before)
    stamp = grid.training(key).stamp
    names = grid.reads.training_tasks(key.condition, key.stage)
    tasks = [grid.cards.task(name) for name in names]
    yield Stage(key, states.stamps.sha256(stamp), tasks, states.stamps.outcomes(stamp))


def _scores(states: States, key: TrainingKey) -> Iterator[ListedScore]:
    """The scores of the checkpoint that are up to date, in reading order."""
    grid = states.grid
    for scored in grid.reads.evaluations():
        if grid.reads.evaluated_training(scored) != key:
            continue
        found = scores.read(grid.paths.scores(scored))
        for language, state in states.scores(scored).items():
            if state == "done":
                score = found[language]
                value = score["metrics"][score["primary"]]
                yield ListedScore(scored.target, language, score["primary"], value, score["n"])


def _header(encoder: EncoderCard, key: TrainingKey, lineage: list[Stage]) -> ModelCardData:
    licence = _LICENCES.get(encoder.licence.strip().lower())
    repositories = {
        repo
        for stage in lineage
        for task in stage.tasks
        for split in task.splits.values()
        for source in split.sources
        for file in source.files.values()
        if (repo := file.dataset_repository) and "{" not in repo
    }
    languages = {task.training_language for stage in lineage for task in stage.tasks}
    return ModelCardData(
        base_model=encoder.hub,
        datasets=sorted(repositories) or None,
        language=sorted(languages),
        library_name="transformers",
        license=licence or "other",
        license_name=None if licence else re.sub(r"\W+", "-", encoder.licence.lower()).strip("-"),
        tags=["xstilts", "stilts", "cross-lingual-transfer", f"condition-{key.condition}"],
    )


def _escaped(value: object) -> str:
    """A text of a card in a cell or a line of Markdown: anyone may write cards."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))
