"""What was run, as values: encoders, conditions, tasks, hyperparameters, settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.analysis.report.limits import is_embedded, training_languages

if TYPE_CHECKING:
    from xstilts.config.conditions import Condition
    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.task_card import TaskCard
    from xstilts.config.yaml_models import Model
    from xstilts.grid.artefacts import Grid


@dataclass(frozen=True)
class IntermediateTraining:
    """What a condition trains on before the target's own English training."""

    condition: str
    tasks: list[TaskCard]
    """Empty for ``none``."""
    languages: list[str]
    mlm_text: str | None
    """The text of masked language modelling, if it is mixed in."""
    shuffled: bool = False
    """Whether the tasks' examples have one another's answers."""
    steps_of: str | None = None
    """The condition whose intermediate steps the recipe takes in addition to its own."""


class TaskRole(NamedTuple):
    """What a task is for in the study."""

    name: str
    """``target``, ``recipe``, ``intermediate``, ``part`` or ``text``."""
    of: str = ""
    """The task that a part belongs to."""


@dataclass(frozen=True)
class Task:
    """A task of the study."""

    card: TaskCard
    roles: list[TaskRole]
    embedded: bool


@dataclass(frozen=True)
class Training:
    """The hyperparameters of a task in a stage of training."""

    task: str
    stage: str
    hyperparameters: dict[str, Any]
    source: str | None
    """Where the card's values come from."""


class Setting(NamedTuple):
    """A setting of the study by its dotted key."""

    key: str
    value: str


@dataclass(frozen=True)
class Experiment:
    """Everything of the section "What was run"."""

    encoders: list[EncoderCard]
    seeds: list[int]
    conditions: list[IntermediateTraining]
    tasks: list[Task]
    trainings: list[Training]
    settings: list[Setting]
    environment: str
    """Digest of the environment lock."""


def experiment(grid: Grid) -> Experiment:
    """What a study runs."""
    return Experiment(
        encoders=[grid.cards.encoder(name) for name in grid.study.encoders],
        seeds=grid.study.all_seeds(),
        conditions=[
            intermediate_training(grid, condition)
            for condition in grid.resolved.conditions.values()
        ],
        tasks=_tasks(grid),
        trainings=_trainings(grid),
        settings=_settings(grid),
        environment=grid.environment,
    )


def intermediate_training(grid: Grid, condition: Condition) -> IntermediateTraining:
    """What a condition trains on."""
    return IntermediateTraining(
        condition.name,
        [grid.cards.task(task) for task in condition.tasks],
        training_languages(grid, condition),
        grid.study.mlm.text if condition.mlm else None,
        condition.shuffled,
        condition.steps_of,
    )


def _tasks(grid: Grid) -> list[Task]:
    """Every task of the study with its roles, targets first."""
    roles: dict[str, dict[TaskRole, None]] = {}

    def add(task: str, name: str, of: str = "") -> None:
        roles.setdefault(task, {})[TaskRole(name, of)] = None

    for target in grid.resolved.targets:
        add(target, "target")
    for recipe in grid.resolved.recipes():
        add(recipe, "recipe")
    for condition in grid.resolved.conditions.values():
        for task in condition.tasks:
            add(task, "intermediate")
            for part in grid.cards.task(task).parts:
                add(part, "part", task)
        if condition.mlm:
            add(str(grid.study.mlm.text), "text")
    return [
        Task(grid.cards.task(task), list(names), is_embedded(grid.cards.task(task)))
        for task, names in roles.items()
    ]


def _trainings(grid: Grid) -> list[Training]:
    """A row for every task and stage: the two stages have different hyperparameters."""
    intermediate = dict.fromkeys(
        task for condition in grid.resolved.conditions.values() for task in condition.tasks
    )
    return [
        Training(
            task,
            stage,
            grid.reads.hyperparameters(task, stage).model_dump(),  # type: ignore[arg-type]
            grid.cards.task(task).training_source,
        )
        for stage, tasks in (("intermediate", intermediate), ("recipe", grid.resolved.recipes()))
        for task in tasks
    ]


def _settings(grid: Grid) -> list[Setting]:
    """The study's other settings."""
    study, conditions = grid.study, grid.resolved.conditions.values()
    sections: dict[str, Model] = {"evaluation": study.evaluation, "compute": study.compute}
    if any(len(condition.tasks) > 1 for condition in conditions):
        sections["multi"] = study.multi
    if any(condition.mlm for condition in conditions):
        sections["mlm"] = study.mlm
    return [
        Setting(f"{section}.{key}", str(value))
        for section, model in sections.items()
        for key, value in model.model_dump().items()
    ]
