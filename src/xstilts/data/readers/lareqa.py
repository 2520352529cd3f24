"""LAReQA on XQuAD-R: find the sentence that answers, among the sentences of all languages at once.

Follows XTREME-R's ``utils_lareqa.py``: a candidate is a sentence with its paragraph appended and
line ends removed; relevant are the sentences with the answer in each of the languages, so a system
must rank translations alike. A sentence that occurs twice in its paragraph is relevant each time.
Questions whose answer begins in no sentence are left out.

The official score is one number over the questions of all languages. Here an example file holds
the questions of one language and the candidates of all; as every language asks the same questions,
the mean over languages is that number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import field, in_order, json_value, part, shown
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.remarks import Rows


class _Question(NamedTuple):
    identity: str
    text: str
    start: int


class _Paragraph(NamedTuple):
    number: int
    context: str
    sentences: list[tuple[int, int]]
    questions: list[_Question]

    def text(self, sentence: int) -> str:
        begin, end = self.sentences[sentence]
        return self.context[begin:end]

    def answering(self, question: _Question) -> list[int]:
        """The sentences with the text of the one that the answer begins in; none if none does."""
        found = (i for i, (a, b) in enumerate(self.sentences) if a <= question.start < b)
        if (first := next(found, None)) is None:
            return []
        return [i for i in range(len(self.sentences)) if self.text(i) == self.text(first)]


def read(files: Mapping[str, Path], language: str) -> Rows:
    """Yield the questions of part ``language`` and the sentences of every part.

    Parts are named by language code; the id of a candidate is ``<code>_<paragraph>_<sentence>``.
    """
    part(files, language)
    texts: dict[str, list[_Paragraph]] = {
        code: list(_paragraphs(path)) for code, path in in_order(files)
    }
    relevant: dict[str, list[str]] = {}
    for code, paragraphs in texts.items():
        for paragraph in paragraphs:
            for question in paragraph.questions:
                keys = [f"{code}_{paragraph.number}_{i}" for i in paragraph.answering(question)]
                relevant.setdefault(question.identity, []).extend(keys)
    yield from _queries(texts[language], relevant)
    for code, paragraphs in texts.items():
        yield from _candidates(code, paragraphs)


def _queries(paragraphs: list[_Paragraph], relevant: Mapping[str, list[str]]) -> Rows:
    for paragraph in paragraphs:
        for question in paragraph.questions:
            if paragraph.answering(question):
                yield {
                    "id": question.identity,
                    "side": "query",
                    "text": question.text,
                    "relevant": relevant[question.identity],
                }
            else:
                yield Remark("question left out: its answer begins in no sentence")


def _candidates(code: str, paragraphs: list[_Paragraph]) -> Iterator[Example]:
    for paragraph in paragraphs:
        for place in range(len(paragraph.sentences)):
            text = paragraph.text(place) + paragraph.context
            yield {
                "id": f"{code}_{paragraph.number}_{place}",
                "side": "candidate",
                "text": text.replace("\n", ""),
                "relevant": [],
            }


def _paragraphs(path: Path) -> Iterator[_Paragraph]:
    number = 0
    for i, article in enumerate(field(json_value(path), "data", list, path, None, "")):
        at = f"data[{i}]"
        for j, paragraph in enumerate(field(article, "paragraphs", list, path, None, at)):
            yield _paragraph(paragraph, number, path, f"{at}.paragraphs[{j}]")
            number += 1


def _paragraph(paragraph: Any, number: int, path: Path, at: str) -> _Paragraph:
    context = field(paragraph, "context", str, path, None, at)
    breaks = field(paragraph, "sentence_breaks", list, path, None, at)
    for span in breaks:
        if not (
            isinstance(span, list)
            and len(span) == 2
            and all(isinstance(edge, int) for edge in span)
            and 0 <= span[0] < span[1] <= len(context)
        ):
            raise MalformedFile(
                path,
                None,
                f"{at}: expected [start, end] within the context in sentence_breaks, "
                f"found {shown(span)}",
            )
    questions = []
    for k, question in enumerate(field(paragraph, "qas", list, path, None, at)):
        within = f"{at}.qas[{k}]"
        answers = field(question, "answers", list, path, None, within)
        if not answers:
            raise MalformedFile(path, None, f"{within}: expected an answer, found none")
        questions.append(
            _Question(
                str(field(question, "id", (str, int), path, None, within)),
                field(question, "question", str, path, None, within),
                field(answers[0], "answer_start", int, path, None, f"{within}.answers[0]"),
            )
        )
    return _Paragraph(number, context, [(a, b) for a, b in breaks], questions)
