"""Shuffled multiple choice: which choice is right is taken from another example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.tasks.shuffling import with_permuted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """Labels are permuted among the examples with the same number of choices."""
    return with_permuted(examples, "label", seed, kind=lambda example: len(example["choices"]))
