"""Conditions: what an encoder is trained on between pretraining and the target."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none"
MULTI = "multi"
WITH_MLM = "+mlm"


@dataclass(frozen=True)
class Condition:
    """What comes between pretraining and the recipe: nothing, one task or several.

    ``languages``: of the training data, where the study names them (``<task>@<language>``); empty
    means each task's own, which is English. ``mlm``: masked language modelling is mixed in.
    """

    name: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...] = ()
    mlm: bool = False


def parse_condition(name: str) -> Condition:
    """Read the name of a condition; ``multi`` and ``none`` have no tasks yet.

    >>> parse_condition("mnli@de+ru+mlm")
    Condition(name='mnli@de+ru+mlm', tasks=('mnli',), languages=('de', 'ru'), mlm=True)
    """
    base, mlm = name.removesuffix(WITH_MLM), name.endswith(WITH_MLM)
    task, _, languages = base.partition("@")
    tasks = () if task in (NONE, MULTI) else (task,)
    return Condition(name, tasks, tuple(languages.split("+")) if languages else (), mlm)


def base_of(condition: str) -> str:
    """The condition without its languages and MLM.

    >>> base_of("mnli@de+ru+mlm")
    'mnli'
    """
    return condition.removesuffix(WITH_MLM).partition("@")[0]


def is_intermediate(condition: str) -> bool:
    """Whether a condition trains on an intermediate task, so that it may gain from it.

    >>> is_intermediate("mnli@de"), is_intermediate("none")
    (True, False)
    """
    return base_of(condition) != NONE
