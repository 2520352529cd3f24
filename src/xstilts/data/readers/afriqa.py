"""AfriQA's gold passages: a question in an African language, its answer in an English passage.

JSON lines with ``context``, ``question_lang`` and ``answer_pivot: {text: [], answer_start: []}``.
About a tenth of the questions have an answer that the passage does not hold (yes or no, a summary,
no passage at all): no span model could give it, and they are left out. Some offsets are wrong or
missing; the nearest occurrence of the answer counts.
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
    """Yield every question whose answer the passage holds.

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
            path, line, f"answer_pivot: {len(texts)} texts, {len(starts)} answer_start"
        )
    answers: list[dict[str, str | int]] = []
    for text, start in zip_longest(texts, starts, fillvalue=0):  # some texts have no offset
        if not isinstance(text, str) or not isinstance(start, int):
            raise MalformedFile(path, line, f"answer_pivot: {text!r:.40} at {start!r:.40}")
        found = locate(context, text.strip(), start)
        if found is not None:
            answers.append({"text": text.strip(), "start": found})
    return answers
