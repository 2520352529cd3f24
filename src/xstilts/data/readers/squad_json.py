"""SQuAD's JSON: SQuAD 1.1 and 2.0, XQuAD, MLQA, TyDiQA-GoldP, AmQA.

``data[].paragraphs[].{context, qas[].{id, question, answers[].{text, answer_start}}}``; offsets
count Unicode code points. A question without answers is unanswerable (SQuAD 2.0). AmQA's articles
have one object in the place of the list of paragraphs, which the reader takes for a list of one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.readers.answers import Answer, question_rows
from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import field, in_order, json_value, shown, whole_number
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Text
    from xstilts.data.readers.remarks import Rows


IMPOSSIBLE = Remark("answers left out: the file says `is_impossible: true`")
LOST = Remark("question left out: the file says `is_impossible: false` but gives no answer")


class _Question(NamedTuple):
    path: Path
    where: str
    context: str
    value: Any

    def field(self, key: str, kind: type | tuple[type, ...]) -> Any:
        return field(self.value, key, kind, self.path, None, self.where)

    def fault(self, problem: str) -> MalformedFile:
        return MalformedFile(self.path, None, f"{self.where}: {problem}")


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    repair: bool = False,
    id_prefixes: Mapping[str, Text] | None = None,
    name_parts: bool = False,
    text_offsets: bool = False,
) -> Rows:
    """Yield every question of every part.

    ``repair`` mends answers whose offset does not point at their text, or leaves them out
    (`xstilts.data.readers.answers.question_rows`). ``id_prefixes`` maps our language code to the
    prefix of the ids to keep: the official TyDiQA-GoldP files hold all languages together,
    distinguished by ids like ``swahili-123-4``. ``name_parts`` puts the part's name before the ids,
    if parts have the same questions (MLQA). ``text_offsets`` admits offsets that are written as
    texts (TQuAD).
    """
    prefix = prefix_of(id_prefixes, language, files)
    for part, path in in_order(files):
        for question in _questions(path):
            identity = str(question.field("id", (str, int)))
            if not identity.startswith(prefix):
                yield Remark("question left out: the option `id_prefixes` asks for others")
                continue
            row: Example = {
                "id": f"{part}:{identity}" if name_parts else identity,
                "context": question.context,
                "question": question.field("question", str),
            }
            answers = _answers(question, text_offsets=text_offsets)
            if _is_impossible(question):
                if answers:
                    yield IMPOSSIBLE
                answers = []
            elif "is_impossible" in question.value and not answers:
                yield LOST
                continue
            yield from question_rows(row, answers, question.fault, repair=repair)


def prefix_of(prefixes: Mapping[str, str] | None, language: str, files: Mapping[str, Path]) -> str:
    """The prefix of a language's ids, empty if all ids are read; raises `MalformedFile`."""
    if prefixes is None:
        return ""
    if language not in prefixes:
        raise MalformedFile(
            ", ".join(map(str, files.values())),
            None,
            f"option id_prefixes: no key {language!r}; its keys: {', '.join(prefixes)}",
        )
    return prefixes[language]


def _questions(path: Path) -> Iterator[_Question]:
    for i, article in enumerate(field(json_value(path), "data", list, path, None, "")):
        at = f"data[{i}]"
        paragraphs = field(article, "paragraphs", (list, dict), path, None, at)
        for j, paragraph in enumerate([paragraphs] if isinstance(paragraphs, dict) else paragraphs):
            within = f"{at}.paragraphs[{j}]"
            context = field(paragraph, "context", str, path, None, within)
            for k, question in enumerate(field(paragraph, "qas", list, path, None, within)):
                yield _Question(path, f"{within}.qas[{k}]", context, question)


def _is_impossible(question: _Question) -> bool:
    """Whether the file says that the question has no answer, as SQuAD 2.0 does."""
    return "is_impossible" in question.value and question.field("is_impossible", bool)


def _answers(question: _Question, *, text_offsets: bool) -> list[Answer]:
    given = question.field("answers", list)
    find = partial(field, path=question.path, line=None)
    answers = []
    for number, answer in enumerate(given):
        at = f"{question.where}.answers[{number}]"
        text = find(answer, "text", str, at=at)
        start = find(answer, "answer_start", (int, str) if text_offsets else int, at=at)
        answers.append(Answer(text, _offset(start, question)))
    return answers


def _offset(given: int | str, question: _Question) -> int:
    """An offset as a number; a text must be one."""
    if isinstance(given, int):
        return given
    if (number := whole_number(given.strip())) is None:
        raise question.fault(f"answer_start: expected a number, found {shown(given)}")
    return number
