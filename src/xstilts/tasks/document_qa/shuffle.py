"""Shuffled document question answering: every answer lies where another example has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.tasks.shuffling import permuted
from xstilts.tasks.span_qa.shuffle import placed_span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xstilts.data.examples import Example


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The places of the annotations are permuted among the examples.

    A place is a passage, as far into the document as before, and a span, as long and as far into
    its passage as before. Questions without an answer, and answers that are yes or no, are as many
    as before.
    """
    givers = permuted(examples, seed)
    return [
        {**example, "annotations": [_placed(a, giver, example) for a in giver["annotations"]]}
        for example, giver in zip(examples, givers, strict=True)
    ]


def _placed(annotation: Mapping[str, Any], giver: Example, taker: Example) -> dict[str, Any]:
    """An annotation of one document at the same place of another."""
    passages = [i for i, passage in enumerate(taker["passages"]) if passage["start"] >= 0]
    if annotation["passage"] < 0 or not passages:
        return {**annotation, "passage": -1, "start": -1, "end": -1}
    rank, _ = placed_span(annotation["passage"], 1, len(giver["passages"]), len(passages))
    passage = passages[rank]
    found = {**annotation, "passage": passage, "start": -1, "end": -1}
    if annotation["start"] < 0:
        return found
    source, goal = giver["passages"][annotation["passage"]], taker["passages"][passage]
    before = _text(giver, source["start"], annotation["start"])
    answer = _text(giver, annotation["start"], annotation["end"])
    length = len(_text(giver, source["start"], source["end"]))
    text = _text(taker, goal["start"], goal["end"])
    start, size = placed_span(len(before), len(answer), length, len(text))
    begin = goal["start"] + len(text[:start].encode())
    return found | {"start": begin, "end": begin + len(text[start : start + size].encode())}


def _text(example: Example, start: int, end: int) -> str:
    """The text between two bytes of a document."""
    return str(example["document"].encode()[start:end].decode())
