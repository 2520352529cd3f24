"""Shuffled span question answering: every answer lies where another example has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.tasks.shuffling import permuted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.data.examples import Example


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The places of the answers are permuted among the examples; the texts of the spans follow.

    A place is a length in code points, and how far into the context the span begins as a share of
    the room that it has. So answers are as long and as far into their contexts as before, and as
    many questions have none, but nothing in the text says where they are.
    """
    given = permuted([(example["answers"], len(example["context"])) for example in examples], seed)
    return [
        {**example, "answers": [_placed(answer, length, example["context"]) for answer in answers]}
        for example, (answers, length) in zip(examples, given, strict=True)
    ]


def _placed(answer: Mapping[str, Any], length: int, context: str) -> dict[str, Any]:
    """The span of a context at the place of an answer in a context of ``length`` code points."""
    start, size = placed_span(answer["start"], len(answer["text"]), length, len(context))
    text = context[start : start + size]
    if not text.strip():  # no token covers white space alone: take the nearest other character
        others = (place for place, character in enumerate(context) if not character.isspace())
        start = min(others, key=lambda place: abs(place - start))
        text = context[start]
    return {"text": text, "start": start}


def placed_span(start: int, size: int, length: int, other_length: int) -> tuple[int, int]:
    """Start and size of a span in another text, as far into it as in a text of ``length``.

    >>> placed_span(start=10, size=5, length=25, other_length=45)
    (20, 5)
    """
    size_there = min(size, other_length)
    share = min(1.0, start / (length - size)) if length > size else 0.0
    return round(share * (other_length - size_there)), size_there
