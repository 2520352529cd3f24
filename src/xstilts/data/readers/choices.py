"""A prompt and a few choices: COPA, XCOPA, SIQA, CosmosQA, CommonsenseQA, HellaSwag, XStoryCloze.

It reads every form of table; the card gives the template of the prompt. See
`xstilts.data.readers.records` for the option ``tables``.
"""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from xstilts.data.readers.records import Record, joined
from xstilts.data.readers.text import shown, whole_number
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Tables, Text


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Tables,
    prompt: Text,
    choices: list[Text] | Text,
    choice_text: Text | None = None,
    label: Text | None = None,
    labels: Mapping[str, int] | None = None,
    first_label: int = 0,
    id: Text | None = None,
) -> Iterator[Example]:
    """Yield one example a row.

    ``prompt`` is a template over the row's columns (``{context} {question}``, ``{question[stem]}``
    inside an object). ``choices`` lists columns, or names one column that holds a list; of a list
    of objects, ``choice_text`` names the member that is the text. ``label`` names the column of the
    right choice: through ``labels`` (``{A: 0, B: 1}``), or a number that counts from
    ``first_label``.
    """
    names = {str(key): value for key, value in (labels or {}).items()}
    for record in joined(files, tables, language):
        yield {
            "id": record.identity(id),
            "prompt": _prompt(record, prompt),
            "choices": _choices(record, choices, choice_text),
            "label": _label(record, label, names, first_label),
        }


def _prompt(record: Record, template: str) -> str:
    try:
        prompt = template.format_map(record.values).strip()
        for _, name, _, _ in Formatter().parse(template):
            if name is not None and not isinstance(_value(name, record), str | int):
                raise record.fault(f"{name}: expected a text, found {shown(_value(name, record))}")
        return prompt
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise record.fault(
            f"the prompt {template!r} needs {error}; the row has: {', '.join(record.values)}"
        ) from error


def _value(name: str, record: Record) -> object:
    """The value that a placeholder of a template, such as ``question[stem]``, stands for."""
    return Formatter().get_field(name, (), record.values)[0]


def _choices(record: Record, columns: list[str] | str, text: str | None) -> list[str]:
    if not isinstance(columns, str):
        return [record.text(column) for column in columns]
    found = record.get(columns)
    if not isinstance(found, list):
        raise record.fault(f"{columns}: expected a list, found {shown(found)}")
    texts = []
    for choice in found:
        value = choice.get(text) if text is not None and isinstance(choice, dict) else choice
        if not isinstance(value, str):
            raise record.fault(f"{columns}: expected a list of texts, found {shown(choice)} in it")
        texts.append(value.strip())
    return texts


def _label(record: Record, column: str | None, names: Mapping[str, int], first: int) -> int | None:
    if column is None:
        return None
    given = record.name(column)
    if names:
        if given not in names:
            raise record.fault(unknown("label", given, names))
        return names[given]
    if (number := whole_number(given)) is None:
        raise record.fault(f"label: expected a number, found {shown(given)}")
    return number - first
