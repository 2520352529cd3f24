"""Shuffled answers: the control that leaves a task's text and takes away its sense.

Every example keeps its place, its text and so its length; the answers are those of the same
examples, in random order. By default the values of the gold column are permuted. A type whose
answers do not fit other examples as they are has a module ``shuffle`` of its own.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from xstilts.config.task_schema import TaskSchema
    from xstilts.data.examples import Example

T = TypeVar("T")


def shuffled(schema: TaskSchema, examples: Sequence[Example], seed: int) -> list[Example]:
    """The same examples, in the same order, with one another's answers."""
    own = own_shuffle(schema.name)
    if own is None:
        return with_permuted(examples, str(schema.gold), seed)
    return cast("list[Example]", import_module(own).shuffled(examples, seed))


def own_shuffle(task_type: str) -> str | None:
    """The module by which a type shuffles its examples; None where the default does."""
    name = f"xstilts.tasks.{task_type}.shuffle"
    return name if find_spec(name) else None


def with_permuted(
    examples: Sequence[Example],
    column: str,
    seed: int,
    kind: Callable[[Example], Hashable] = lambda _: None,
) -> list[Example]:
    """The examples with the values of a column permuted among those of the same kind.

    Examples without a value (None or an empty list) keep it.
    """
    found = list(examples)
    kinds: dict[Hashable, list[int]] = {}
    for place, example in enumerate(found):
        if example[column] not in (None, []):
            kinds.setdefault(kind(example), []).append(place)
    for number, places in enumerate(kinds.values()):
        values = permuted([examples[place][column] for place in places], seed + number)
        for place, value in zip(places, values, strict=True):
            found[place] = {**found[place], column: value}
    return found


def permuted(values: Sequence[T], seed: int) -> list[T]:
    """The values in a random order that the seed decides."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(values))
    return [values[place] for place in order]
