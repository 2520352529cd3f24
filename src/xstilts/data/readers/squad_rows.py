"""SQuAD's questions, one a row, as on the Hub: JSON lines or parquet.

``{id, context, question, answers: {text: [], answer_start: []}}``. Offsets count Unicode code
points. A question without answers is unanswerable (SQuAD 2.0). The option ``repair`` mends copies
whose texts were stripped without moving the offsets (google/xtreme).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.records import Record, joined
from xstilts.data.readers.squad_json import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Mapping[str, Mapping[str, Any]],
    repair: bool = False,
    id_prefixes: Mapping[str, str] | None = None,
) -> Iterator[Example]:
    """Yield every question; ``repair`` and ``id_prefixes`` are those of `squad_json.read`."""
    prefix = (id_prefixes or {}).get(language, "")
    for record in joined(files, tables, language):
        identity = record.identity("id")
        if id_prefixes is not None and not (prefix and identity.startswith(prefix)):
            continue
        context, given = _string(record, "context"), _answers(record)
        found = [(text, locate(context, text, at) if repair else at) for text, at in given]
        answers = [(text, at) for text, at in found if at is not None]
        for text, at in answers:
            if not context.startswith(text, at):
                raise record.fault(
                    f"question {identity!r}: the answer {text!r:.60} is not in the context at "
                    f"{at}; the option `repair: true` takes the nearest occurrence"
                )
        if answers or not given:
            yield {
                "id": identity,
                "context": context,
                "question": _string(record, "question"),
                "answers": [{"text": text, "start": at} for text, at in answers],
            }


def _string(record: Record, column: str) -> str:
    """A text with its white space, which counts in offsets."""
    value = record.get(column)
    if not isinstance(value, str):
        raise record.fault(f"{column}: expected a text, found {value!r:.60}")
    return value


def _answers(record: Record) -> list[tuple[str, int]]:
    texts, starts = record.get("answers.text"), record.get("answers.answer_start")
    if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
        raise record.fault(
            "answers: expected as many texts as answer_start, "
            f"found {texts!r:.40} and {starts!r:.40}"
        )
    return list(zip(texts, starts, strict=True))
