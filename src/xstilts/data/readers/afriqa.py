"""AfriQA's gold passages: questions in African languages with answers in English passages.

JSON lines with ``context``, ``question_lang`` and ``answer_pivot: {text: [], answer_start: []}``.
About a tenth of the questions have an answer that is not in the passage (yes or no, a summary, no
passage at all): no span model can give it, so the reader skips them. Some offsets are wrong or
missing; the reader takes the nearest occurrence of the answer.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from xstilts.data.readers.squad_json import locate
from xstilts.data.readers.text import field, in_order, json_lines
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path], language: str, *, question: str = "question_lang"
) -> Iterator[Example]:
    """Yield every question whose answer is in the passage.

    ``question`` names the column: ``question_lang``, or ``question_translated``, the translation
    into the language of the passage by people.
    """
    for _, path in in_order(files):
        for line, item in json_lines(path):
            context = field(item, "context", (str, type(None)), path, line, "")
            answers = _answers(item, context or "", path, line)
            if answers:
                yield {
                    "id": str(field(item, "id", (str, int), path, line, "")),
                    "context": context,
                    "question": field(item, question, str, path, line, "").strip(),
                    "answers": answers,
                }


def _answers(item: object, context: str, path: Path, line: int) -> list[dict[str, str | int]]:
    pivot = field(item, "answer_pivot", dict, path, line, "")
    texts = field(pivot, "text", list, path, line, "answer_pivot")
    starts = field(pivot, "answer_start", list, path, line, "answer_pivot")
    if len(starts) > len(texts):
        raise MalformedFile(
            path, line, f"answer_pivot: more answer_start ({len(starts)}) than texts ({len(texts)})"
        )
    answers: list[dict[str, str | int]] = []
    for text, start in zip_longest(texts, starts, fillvalue=0):  # some texts have no offset
        if not isinstance(text, str) or not isinstance(start, int):
            raise MalformedFile(
                path,
                line,
                f"answer_pivot: expected a text and a number, found {text!r:.40} and {start!r:.40}",
            )
        found = locate(context, text.strip(), start)
        if found is not None:
            answers.append({"text": text.strip(), "start": found})
    return answers
