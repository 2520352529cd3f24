"""SQuAD's JSON: SQuAD 1.1 and 2.0, XQuAD, MLQA, TyDiQA-GoldP.

``data[].paragraphs[].{context, qas[].{id, question, answers[].{text, answer_start}}}``; offsets
count Unicode code points. A question without answers is unanswerable (SQuAD 2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.text import field, in_order, json_value
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    repair: bool = False,
    id_prefixes: Mapping[str, str] | None = None,
    name_parts: bool = False,
) -> Iterator[Example]:
    """Yield every question of every part.

    ``repair`` mends answers whose offset does not point at their text: it takes the nearest
    occurrence; it drops an answer that does not occur, and a question of which no answer remains
    (which is answerable, so it must not pass for unanswerable). Without it, each is an error.
    ``id_prefixes`` maps our language code to the prefix of the ids to keep: the official
    TyDiQA-GoldP files hold all languages together, distinguished by ids like ``swahili-123-4``.
    ``name_parts`` puts the part's name before the ids, if parts have the same questions (MLQA).
    """
    prefix = _prefix(id_prefixes, language, files)
    for part, path in in_order(files):
        for where, context, question in _questions(path):
            row = _row(path, where, context, question, repair=repair)
            if row is not None and row["id"].startswith(prefix):
                yield row | {"id": f"{part}:{row['id']}"} if name_parts else row


def _prefix(prefixes: Mapping[str, str] | None, language: str, files: Mapping[str, Path]) -> str:
    if prefixes is None:
        return ""
    if language not in prefixes:
        raise MalformedFile(
            ", ".join(map(str, files.values())),
            None,
            f"option id_prefixes: no key {language!r}; its keys: {', '.join(prefixes)}",
        )
    return prefixes[language]


def _questions(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield (where in the file, context, question object)."""
    for i, article in enumerate(field(json_value(path), "data", list, path, None, "")):
        at = f"data[{i}]"
        for j, paragraph in enumerate(field(article, "paragraphs", list, path, None, at)):
            within = f"{at}.paragraphs[{j}]"
            context = field(paragraph, "context", str, path, None, within)
            for k, question in enumerate(field(paragraph, "qas", list, path, None, within)):
                yield f"{within}.qas[{k}]", context, question


def _row(path: Path, where: str, context: str, question: Any, *, repair: bool) -> Example | None:
    identity = str(field(question, "id", (str, int), path, None, where))
    given = field(question, "answers", list, path, None, where)
    if question.get("is_impossible"):
        given = []
    answers = []
    for number, answer in enumerate(given):
        at = f"{where}.answers[{number}]"
        text = field(answer, "text", str, path, None, at)
        start = field(answer, "answer_start", int, path, None, at)
        found = locate(context, text, start) if repair else start
        if found is None:
            continue
        if context[found : found + len(text)] != text or found < 0 or not text:
            raise MalformedFile(
                path,
                None,
                f"{at} of question {identity!r}: expected {text!r:.60} at {start} of the context, "
                f"found {context[max(found, 0) : max(found, 0) + len(text)]!r:.60}; "
                "the option `repair: true` takes the nearest occurrence",
            )
        answers.append({"text": text, "start": found})
    if given and not answers:
        return None
    return {
        "id": identity,
        "context": context,
        "question": field(question, "question", str, path, None, where),
        "answers": answers,
    }


def locate(context: str, text: str, start: int) -> int | None:
    """The offset of ``text`` nearest to ``start`` (of two, the earlier); None if it is absent.

    >>> locate("a cat, a bat, a cat", "cat", 11)
    16
    >>> locate("a cat", "dog", 0) is None
    True
    """
    if not text:
        return None
    start = max(start, 0)
    if context.startswith(text, start):
        return start
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - start), default=None)
