"""AfriQA's gold passages: questions in African languages with answers in English passages.

JSON lines with ``context``, ``question_lang`` and ``answer_pivot: {text: [], answer_start: []}``.
About a tenth of the questions have an answer that is not in the passage (yes or no, a summary, no
passage at all): no span model can give it, so the reader leaves them out, with a remark. Some
offsets are wrong or missing; the reader takes the nearest occurrence of the answer.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from xstilts.data.readers.answers import UNANSWERED, Answer, question_rows
from xstilts.data.readers.text import field, in_order, json_lines, shown
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Text
    from xstilts.data.readers.remarks import Rows


def read(files: Mapping[str, Path], language: str, *, question: Text = "question_lang") -> Rows:
    """Yield every question whose answer is in the passage.

    ``question`` names the column: ``question_lang``, or ``question_translated``, the translation
    into the language of the passage by people.
    """
    for _, path in in_order(files):
        for line, item in json_lines(path):
            answers = _answers(item, path, line)
            context = field(item, "context", (str, type(None)), path, line, "")
            if not answers or not context:
                yield UNANSWERED
                continue
            row: Example = {
                "id": str(field(item, "id", (str, int), path, line, "")),
                "context": context,
                "question": field(item, question, str, path, line, "").strip(),
            }
            yield from question_rows(row, answers, _fault(path, line), repair=True)


def _fault(path: Path, line: int) -> Callable[[str], MalformedFile]:
    return lambda problem: MalformedFile(path, line, problem)


def _answers(item: object, path: Path, line: int) -> list[Answer]:
    """The answers that have a text; an answer without an offset has 0."""
    pivot = field(item, "answer_pivot", dict, path, line, "")
    texts = field(pivot, "text", list, path, line, "answer_pivot")
    starts = field(pivot, "answer_start", list, path, line, "answer_pivot")
    if len(starts) > len(texts):
        raise MalformedFile(
            path, line, f"answer_pivot: more answer_start ({len(starts)}) than texts ({len(texts)})"
        )
    answers = []
    for text, start in zip_longest(texts, starts, fillvalue=0):  # some texts have no offset
        if not isinstance(text, str) or not isinstance(start, int) or isinstance(start, bool):
            raise MalformedFile(
                path,
                line,
                "answer_pivot: expected a text and a number, "
                f"found {shown(text)} and {shown(start)}",
            )
        if text.strip():
            answers.append(Answer(text.strip(), start))
    return answers
