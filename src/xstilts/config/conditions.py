"""Conditions: what an encoder is trained on between pretraining and the target.

Two kinds are controls. ``none+steps-mnli`` has no intermediate stage, and its recipe takes as many
steps more as the intermediate stage of ``mnli`` takes: more training alone. ``mnli~shuffled`` is
``mnli`` with the answers of its examples shuffled: the same text and steps without the task.
"""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none"
MULTI = "multi"
WITH_MLM = "+mlm"
SHUFFLED = "~shuffled"
MORE_STEPS = "none+steps"
STEPS_OF = f"{MORE_STEPS}-"


@dataclass(frozen=True)
class Condition:
    """What comes between pretraining and the recipe: nothing, one task or several.

    ``languages``: of the training data, where the study names them (``<task>@<language>``); empty
    means each task's own, which is English. ``mlm``: masked language modelling is mixed in.
    ``shuffled``: the tasks' examples have one another's answers. ``steps_of``: the condition whose
    intermediate stage's steps the recipe takes in addition to its own.
    """

    name: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...] = ()
    mlm: bool = False
    shuffled: bool = False
    steps_of: str | None = None

    @property
    def has_intermediate_stage(self) -> bool:
        """Whether anything is trained before the recipe; so with all but ``none`` and its steps."""
        return bool(self.tasks)


def parse_condition(name: str) -> Condition:
    """Read the name of a condition; ``multi`` and ``none`` have no tasks yet.

    >>> parse_condition("mnli@de+ru~shuffled+mlm").tasks
    ('mnli',)
    >>> parse_condition("none+steps-mnli@de").steps_of
    'mnli@de'
    """
    if name == MORE_STEPS or name.startswith(STEPS_OF):
        return Condition(name, (), steps_of=name.removeprefix(MORE_STEPS).removeprefix("-"))
    base, mlm = name.removesuffix(WITH_MLM), name.endswith(WITH_MLM)
    base, shuffled = base.removesuffix(SHUFFLED), base.endswith(SHUFFLED)
    task, _, languages = base.partition("@")
    tasks = () if task in (NONE, MULTI) else (task,)
    chosen = tuple(languages.split("+")) if languages else ()
    return Condition(name, tasks, chosen, mlm, shuffled)


def base_of(condition: str) -> str:
    """The task, ``multi`` or ``none``: the condition without what is added to it.

    >>> base_of("mnli@de+ru~shuffled+mlm")
    'mnli'
    >>> base_of("none+steps-mnli")
    'none'
    """
    if parse_condition(condition).steps_of is not None:
        return NONE
    return condition.removesuffix(WITH_MLM).removesuffix(SHUFFLED).partition("@")[0]


def is_intermediate(condition: str) -> bool:
    """Whether a condition trains on an intermediate task, so that it may gain from it.

    Controls do not: one has no such stage, the other learns nothing of its task.

    >>> is_intermediate("mnli@de"), is_intermediate("none"), is_intermediate("mnli~shuffled")
    (True, False, False)
    """
    return base_of(condition) != NONE and not parse_condition(condition).shuffled
