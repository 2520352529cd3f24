"""Texts or pairs of texts with a class: natural language inference, paraphrase, topics.

It reads every form of table; the card says which columns are which. See
`xstilts.data.readers.records` for the option ``tables``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.records import Record, joined, records
from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import part, shown, whole_number
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from xstilts.data.readers.options import Selection, Tables, Text
    from xstilts.data.readers.remarks import Rows


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Tables,
    text: Text,
    text_pair: Text | None = None,
    label: Text | None = None,
    labels: Mapping[str, str | None] | None = None,
    id: Text | None = None,
    where: Mapping[str, str | int] | None = None,
    selection: Selection | None = None,
) -> Rows:
    """Yield one example a row.

    ``text``, ``text_pair``, ``label`` and ``id`` name columns; without ``id`` a row's number from 0
    is its id, which is the same in every language of a row-aligned benchmark. ``labels`` maps a
    file's labels to the card's, or to null to skip rows without a gold label; a label that it does
    not name is an error. ``where`` keeps only rows with these values. ``{language}`` in ``text``
    and ``text_pair`` stands for the language. ``selection`` names rows of the tables; the examples
    are these rows, in the order of the selection, which then gives the numbers.
    """
    names = {str(key): value for key, value in (labels or {}).items()}
    first, second = _column(text, language), text_pair and _column(text_pair, language)
    found = joined(files, tables, language)
    for record in found if selection is None else _selected(found, files, selection, language):
        if where and any(record.name(key) != str(value) for key, value in where.items()):
            yield Remark("row left out: the option `where` asks for others")
            continue
        gold = _label(record, label, names)
        if gold is None and label is not None:
            yield Remark("row left out: the option `labels` maps its label to null")
            continue
        yield {
            "id": record.identity(id),
            "text": record.text(first),
            "text_pair": record.text(second) if second else None,
            "label": gold,
        }


def labels_given(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The labels that options give to examples, each with the option's name."""
    for label in (options["labels"] or {}).values():
        if label is not None:
            yield "labels", label


def _selected(
    found: Iterable[Record], files: Mapping[str, Path], selection: Selection, language: str
) -> Iterator[Record]:
    every = list(found)
    path = part(files, selection["part"])
    for number, chosen in enumerate(records(path, {"form": "tsv"}, language)):
        given = chosen.name(selection["column"])
        row = whole_number(given)
        if row is None or row >= len(every):
            allowed = f"0 to {len(every) - 1}"
            raise chosen.fault(f"expected the number of a row, {allowed}, found {shown(given)}")
        yield every[row]._replace(row=number)


def _column(name: str, language: str) -> str:
    return name.replace("{language}", language)


def _label(record: Record, column: str | None, names: Mapping[str, str | None]) -> str | None:
    if column is None:
        return None
    given = record.name(column)
    if not names:
        return given
    if given not in names:
        raise record.fault(unknown("label", given, names))
    return names[given]
