"""Reproducible choices: the same key gives the same choices in every process, on every platform and
Python version."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from xstilts.seeds import order_key

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Draw:
    """Choices seeded by a key, in place of `random.choice`, `sample` and `shuffle`.

    They rest on `Random.random` alone, the one method whose sequence Python promises to keep
    between versions (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
    """

    def __init__(self, *key: str) -> None:
        """Start the sequence that belongs to `key`."""
        self._random = random.Random(int(order_key(*key), 16))

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1."""
        return int(self._random.random() * bound)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random.random() < probability

    def one(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different positions of `items`, in random order."""
        if count > len(items):
            raise ValueError(f"cannot draw {count} of {len(items)} items")
        pool = list(items)
        for position in range(count):
            other = position + self.below(len(pool) - position)
            pool[position], pool[other] = pool[other], pool[position]
        return pool[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of `items`, in random order."""
        return self.some(items, len(items))
