"""SQuAD's questions, one a row, as on the Hub: JSON lines or parquet.

``{id, context, question, answers: {text: [], answer_start: []}}``. Offsets count Unicode code
points. A question without answers is unanswerable (SQuAD 2.0). The option ``repair`` mends copies
whose texts were stripped without moving the offsets (google/xtreme).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.answers import Answer, question_rows
from xstilts.data.readers.records import Record, joined
from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.squad_json import prefix_of
from xstilts.data.readers.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Tables, Text
    from xstilts.data.readers.remarks import Rows


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Tables,
    repair: bool = False,
    id_prefixes: Mapping[str, Text] | None = None,
) -> Rows:
    """Yield every question; ``repair`` and ``id_prefixes`` are those of `squad_json.read`."""
    prefix = prefix_of(id_prefixes, language, files)
    for record in joined(files, tables, language):
        identity = record.identity("id")
        if not identity.startswith(prefix):
            yield Remark("question left out: the option `id_prefixes` asks for others")
            continue
        row: Example = {
            "id": identity,
            "context": _string(record, "context"),
            "question": _string(record, "question"),
        }
        yield from question_rows(row, _answers(record), record.fault, repair=repair)


def _string(record: Record, column: str) -> str:
    """A text with its white space, which counts in offsets."""
    value = record.get(column)
    if not isinstance(value, str):
        raise record.fault(f"{column}: expected a text, found {shown(value)}")
    return value


def _answers(record: Record) -> Iterator[Answer]:
    texts, starts = record.get("answers.text"), record.get("answers.answer_start")
    if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
        raise record.fault(
            "answers: expected as many texts as answer_start, "
            f"found {shown(texts)} and {shown(starts)}"
        )
    for text, start in zip(texts, starts, strict=True):
        if not isinstance(text, str) or not isinstance(start, int) or isinstance(start, bool):
            raise record.fault(
                f"answers: expected a text and a number, found {shown(text)} and {shown(start)}"
            )
        yield Answer(text, start)
