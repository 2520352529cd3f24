"""Texts or pairs of texts with a class: natural language inference, paraphrase, topics.

It reads every form of table; the card says which columns are which. See
`xstilts.data.readers.records` for the option ``tables``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.records import Record, joined
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Mapping[str, Mapping[str, Any]],
    text: str,
    text_pair: str | None = None,
    label: str | None = None,
    labels: Mapping[Any, str | None] | None = None,
    id: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> Iterator[Example]:
    """Yield one example a row.

    ``text``, ``text_pair``, ``label`` and ``id`` name columns; without ``id`` a row's number from 0
    is its id, which is the same in every language of a row-aligned benchmark. ``labels`` maps a
    file's labels to the card's, or to null to skip rows without a gold label; a label that it does
    not name is an error. ``where`` keeps only rows with these values. ``{language}`` in ``text``
    and ``text_pair`` stands for the language.
    """
    names = {str(key): value for key, value in (labels or {}).items()}
    first, second = _column(text, language), text_pair and _column(text_pair, language)
    for record in joined(files, tables, language):
        if where and any(str(record.get(key)) != str(value) for key, value in where.items()):
            continue
        gold = _label(record, label, names)
        if gold is None and label is not None:
            continue
        yield {
            "id": record.identity(id),
            "text": record.text(first),
            "text_pair": record.text(second) if second else None,
            "label": gold,
        }


def _column(name: str, language: str) -> str:
    return name.replace("{language}", language)


def _label(record: Record, column: str | None, names: Mapping[str, str | None]) -> str | None:
    if column is None:
        return None
    given = str(record.get(column)).strip()
    if not names:
        return given
    if given not in names:
        raise record.fault(unknown("label", given, names))
    return names[given]
