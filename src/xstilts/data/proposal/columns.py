"""What the columns of a table are good for: a task type, a reader and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xstilts.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from xstilts.data.hub_datasets import Row

TYPES = ("classification", "multiple_choice", "tagging", "span_qa")
"""The types that can be proposed. Retrieval needs two files, document QA articles in parts."""
_TEXTS = ("text", "sentence", "premise", "sentence1", "text1", "question1", "content", "review")
_PAIRS = ("hypothesis", "sentence2", "text2", "question2", "text_pair")
_LABELS = ("label", "gold_label", "labels", "category", "class", "topic", "sentiment", "target")
_ANSWERS = ("answer", "correct_answer", "correct_answer_num", "answerKey")
_LISTS = ("choices", "options", "endings", "candidates")
_TOKENS = ("tokens", "words")
_IDS = ("id", "idx", "index_id", "guid")
MOST_LABELS = 200
"""Distinct values of a column that is still taken for one of labels."""


@dataclass(frozen=True)
class Given:
    """What the user says of the columns; None: to be found."""

    task_type: str | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """A task type, its reader with options (but for ``tables``), and the column of the answers."""

    task_type: str
    reader: str
    options: dict[str, Any]
    label: str


def columns_of(rows: Sequence[Row], given: Given) -> Columns:
    """What some rows of a table can be read as.

    Raises `UsageError` that names the columns and the option which decides.
    """
    if not rows:
        raise UsageError("the data set has no rows to look at")
    task_type = given.task_type or _type_of(rows, given)
    if task_type not in _READINGS:
        raise UsageError(f"--type: {unknown('type that can be proposed', task_type, TYPES)}")
    return _READINGS[task_type](rows, given)


def _type_of(rows: Sequence[Row], given: Given) -> str:
    row = rows[0]
    if "context" in row and "question" in row and isinstance(row.get("answers"), Mapping):
        return "span_qa"
    if _find(row, _TOKENS, given.text) and _tag_column(row, given):
        return "tagging"
    if _choice_columns(row, given):
        return "multiple_choice"
    if _find(row, _LABELS, given.label):
        return "classification"
    raise UsageError(
        f"the columns {_listed(row)} tell no task type; give --type ({', '.join(TYPES)}) and the "
        "columns, such as --text and --label"
    )


def _classification(rows: Sequence[Row], given: Given) -> Columns:
    row = rows[0]
    label = _needed(row, _LABELS, given.label, "--label")
    text = _find(row, _TEXTS, given.text) or _only_text(row, label)
    pair = _find(row, _PAIRS, given.text_pair)
    options = {"text": text} | ({"text_pair": pair} if pair else {}) | {"label": label}
    return Columns("classification", "labelled_texts", options | _id(rows), label)


def _multiple_choice(rows: Sequence[Row], given: Given) -> Columns:
    row = rows[0]
    choices = _choice_columns(row, given)
    if not choices:
        raise UsageError(f"the columns {_listed(row)} hold no choices; name them with --choices")
    label = _needed(row, (*_LABELS, *_ANSWERS), given.label, "--label")
    taken = {label, *choices, *_IDS}
    texts = [name for name, value in row.items() if isinstance(value, str) and name not in taken]
    prompt = given.text or " ".join(f"{{{name}}}" for name in texts)
    if "{" not in prompt:
        prompt = f"{{{prompt}}}"
    listed = choices[0] if len(choices) == 1 else list(choices)
    count = len(row[choices[0]]) if len(choices) == 1 else len(choices)
    options: dict[str, Any] = {"prompt": prompt, "choices": listed, "label": label}
    return Columns(
        "multiple_choice",
        "choices",
        options | _numbering([str(each[label]) for each in rows], count, given) | _id(rows),
        label,
    )


def _numbering(values: Iterable[str], count: int, given: Given) -> dict[str, Any]:
    """How labels count the choices: as letters, or as numbers from 0 or from 1."""
    found = set(values)
    letters = given.labels or [chr(ord("A") + number) for number in range(count)]
    if found <= set(letters):
        return {"labels": {letter: number for number, letter in enumerate(letters)}}
    if "0" in found:
        return {}
    if str(count) in found:
        return {"first_label": 1}
    raise UsageError(
        f"the labels {', '.join(sorted(found)[:10])} do not say how they count {count} choices; "
        "give --labels, one for each choice in order"
    )


def _tagging(rows: Sequence[Row], given: Given) -> Columns:
    row = rows[0]
    tokens = _needed(row, _TOKENS, given.text, "--text")
    tags = _tag_column(row, given)
    if tags is None:
        raise UsageError(f"the columns {_listed(row)} hold no tags; name them with --label")
    options: dict[str, Any] = {"tokens": tokens, "tags": tags}
    if any(isinstance(tag, int) for each in rows for tag in each[tags]):
        if not given.labels:
            raise UsageError(
                f"the tags in {tags!r} are numbers; name them in their order with --labels"
            )
        options["names"] = list(given.labels)
    return Columns("tagging", "token_rows", options, tags)


def _span_qa(rows: Sequence[Row], given: Given) -> Columns:
    missing = [name for name in ("id", "context", "question", "answers") if name not in rows[0]]
    if missing:
        raise UsageError(
            f"span_qa needs the columns of SQuAD; {', '.join(missing)} missing among "
            f"{_listed(rows[0])}; rename yours"
        )
    return Columns("span_qa", "squad_rows", {}, "answers")


_READINGS = {
    "classification": _classification,
    "multiple_choice": _multiple_choice,
    "tagging": _tagging,
    "span_qa": _span_qa,
}


def labels_in(rows: Iterable[Row], columns: Columns) -> list[str]:
    """The labels that occur in a column, sorted; raises `UsageError` above `MOST_LABELS`."""
    found: set[str] = set()
    for row in rows:
        value = row.get(columns.label)
        names: Sequence[object] = columns.options.get("names") or ()
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                found.add(str(names[each] if names and isinstance(each, int) else each).strip())
        if len(found) > MOST_LABELS:
            raise UsageError(
                f"the column {columns.label!r} has more than {MOST_LABELS} different values; "
                "name the column of the labels with --label"
            )
    return sorted(found, key=lambda label: (label != "O", label))


def _choice_columns(row: Row, given: Given) -> tuple[str, ...]:
    """The columns of the choices: one that holds a list of texts, or one for each choice."""
    if given.choices:
        return tuple(_checked(row, name) for name in given.choices)
    for name in _LISTS:
        if isinstance(row.get(name), list):
            return (name,)
    by_stem: dict[str, list[str]] = {}
    for name in _texts_in(row):
        if name[-1:].isdigit() and name not in (*_TEXTS, *_PAIRS):
            by_stem.setdefault(name.rstrip("0123456789"), []).append(name)
    several = [names for names in by_stem.values() if len(names) > 1]
    return tuple(several[0]) if len(several) == 1 else ()


def _tag_column(row: Row, given: Given) -> str | None:
    if given.label:
        return _checked(row, given.label)
    tokens = _find(row, _TOKENS, given.text)
    lists = [
        name
        for name, value in row.items()
        if isinstance(value, list) and name != tokens and len(value) == len(row[tokens or name])
    ]
    tags = [name for name in lists if "tag" in name or name in _LABELS] or lists
    if len(tags) > 1:
        raise UsageError(f"tags may be in {', '.join(tags)}; choose one with --label")
    return tags[0] if tags else None


def _only_text(row: Row, label: str) -> str:
    texts = [name for name in _texts_in(row) if name != label and name not in _IDS]
    if len(texts) != 1:
        raise UsageError(f"the text may be in any of {_listed(row)}; choose with --text COLUMN")
    return texts[0]


def _texts_in(row: Row) -> Iterator[str]:
    return (name for name, value in row.items() if isinstance(value, str))


def _id(rows: Sequence[Row]) -> dict[str, str]:
    """The option of a column of ids, if there is one without repetitions."""
    for name in _IDS:
        values = [row.get(name) for row in rows]
        named = all(isinstance(value, str | int) and value != "" for value in values)
        if named and len(set(values)) == len(values):
            return {"id": name}
    return {}


def _find(row: Row, names: Sequence[str], given: str | None) -> str | None:
    if given is not None:
        return _checked(row, given)
    return next((name for name in names if name in row), None)


def _needed(row: Row, names: Sequence[str], given: str | None, option: str) -> str:
    if found := _find(row, names, given):
        return found
    raise UsageError(f"none of the columns {_listed(row)} is known; name it with {option} COLUMN")


def _checked(row: Row, name: str) -> str:
    if name not in row:
        raise UsageError(unknown("column", name, row))
    return name


def _listed(row: Row) -> str:
    return ", ".join(row)
