"""Answers of questions as spans of their context, for the readers of SQuAD's forms and AfriQA."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Literal, NamedTuple

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xstilts.data.examples import Example
    from xstilts.errors import MalformedFile

_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
EMPTY = Remark("answer left out: its text is empty, which says that there is none")
MOVED = Remark("answer moved to the nearest occurrence of its text")
OTHER_FORM = Remark("answer moved to its text in another Unicode form")
ABSENT = Remark("answer left out: its text is not in the context")
UNANSWERED = Remark("question left out: none of its answers is in the context")


class Answer(NamedTuple):
    """A text and its offset in the context, in code points."""

    text: str
    start: int


def question_rows(
    row: Example, given: Iterable[Answer], fault: Callable[[str], MalformedFile], *, repair: bool
) -> Iterator[Example | Remark]:
    """Yield ``row``, a question with its context, with its answers, and a remark for each change.

    ``repair`` mends answers that do not stand at their offset: it takes the nearest occurrence, in
    whatever Unicode form, and leaves out an answer that does not occur. A question of which no
    answer remains is left out as well: it is answerable, so it must not pass for unanswerable.
    Without ``repair``, each is a ``fault``. An empty text is no answer.
    """
    context = row["context"]
    answers: list[Answer] = []
    unanswerable = True
    for answer in given:
        if not answer.text.strip():
            yield EMPTY
            continue
        unanswerable = False
        if answer.start >= 0 and context.startswith(answer.text, answer.start):
            answers.append(answer)
            continue
        if not repair:
            raise fault(_misplaced(row, answer))
        found, remark = _mended(context, answer)
        if found:
            answers.append(found)
        yield remark
    if answers or unanswerable:
        yield row | {"answers": [answer._asdict() for answer in answers]}
    else:
        yield UNANSWERED


def _misplaced(row: Example, answer: Answer) -> str:
    start = max(answer.start, 0)
    there = row["context"][start : start + len(answer.text)]
    return (
        f"question {row['id']!r:.80}: expected {shown(answer.text)} at {answer.start} of the "
        f"context, found {shown(there)}; the option `repair: true` takes the nearest occurrence"
    )


def _mended(context: str, answer: Answer) -> tuple[Answer | None, Remark]:
    start = locate(context, answer.text, answer.start)
    if start is not None:
        return Answer(answer.text, start), MOVED
    for form in _FORMS:
        text = unicodedata.normalize(form, answer.text)
        start = locate(context, text, answer.start)
        if start is not None:
            return Answer(text, start), OTHER_FORM
    return None, ABSENT


def locate(context: str, text: str, start: int) -> int | None:
    """The offset of ``text`` nearest to ``start`` (of two, the earlier); None if it is absent.

    >>> locate("a cat, a bat, a cat", "cat", 11)
    16
    >>> locate("a cat", "dog", 0) is None
    True
    """
    if not text:
        return None
    start = min(max(start, 0), len(context))
    if context.startswith(text, start):
        return start
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - start), default=None)
