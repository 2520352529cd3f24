"""Shuffled tagging: every word has the tag of another word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.tasks.shuffling import permuted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The tags of all words are permuted; a sentence keeps its number of tags.

    Whole sentences of tags fit only sentences of the same length, and tags within a sentence would
    still tell which tags the sentence has.
    """
    tags = iter(permuted([tag for example in examples for tag in example["tags"] or []], seed))
    return [
        example
        if example["tags"] is None
        else {**example, "tags": [next(tags) for _ in example["tags"]]}
        for example in examples
    ]
