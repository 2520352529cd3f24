"""Read the files of a submission in XTREME's layout; errors name the file and the line.

Lines are split at line feeds only, because a label may contain other Unicode separators, and lose
the spaces around them. The encoding is UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xstilts.errors import ScoreError
from xstilts.provenance.files import parse_json, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.metrics.bitext import IdPair


@dataclass(frozen=True)
class Line:
    """A line of a file without surrounding spaces, and its number from 1."""

    number: int
    text: str


def read_labels(path: Path) -> list[Line]:
    """One label a line."""
    lines = _lines(path)
    for line in lines:
        _check_one_label(path, line)
    return lines


def read_choices(path: Path) -> list[Line]:
    """The ``label`` of each line of JSON."""
    labels = []
    for line in _lines(path):
        value = _parse(line.text, path, line.number)
        if not isinstance(value, dict) or "label" not in value:
            raise ScoreError(f'{path}:{line.number}: expected an object with a "label"')
        if not isinstance(value["label"], int | str):
            raise ScoreError(
                f"{path}:{line.number}: the label {value['label']!r:.60} is neither a number nor a "
                "text"
            )
        labels.append(Line(line.number, str(value["label"])))
    return labels


def read_sentences(path: Path) -> list[list[Line]]:
    """One label a line; blank lines separate sentences (PAN-X files have double blank lines)."""
    sentences: list[list[Line]] = [[]]
    for line in _lines(path):
        if not line.text:
            sentences.append([])
            continue
        _check_one_label(path, line)
        sentences[-1].append(line)
    return [sentence for sentence in sentences if sentence]


def read_pairs(path: Path) -> list[IdPair]:
    """Two ids a line, separated by a tab."""
    pairs = []
    for line in _lines(path):
        ids = line.text.split("\t")
        if len(ids) != 2:
            raise ScoreError(f"{path}:{line.number}: {len(ids)} columns; expected two ids")
        pairs.append((ids[0], ids[1]))
    return pairs


def read_answers(path: Path) -> dict[str, list[str]]:
    """The gold answers of a SQuAD file by question id, in the order of the file."""
    answers: dict[str, list[str]] = {}
    for question, texts in _squad_questions(path, _json(path)):
        if question in answers:
            raise ScoreError(f"{path}: question {question!r} occurs twice")
        answers[question] = texts
    return answers


def read_texts(path: Path) -> dict[str, str]:
    """``{id: text}``."""
    return _mapping(path, str, "a text")


def read_entities(path: Path) -> dict[str, list[str]]:
    """``{id: [entity]}``."""
    found = _mapping(path, list, "a list of entities")
    for name, entities in found.items():
        if wrong := [entity for entity in entities if not isinstance(entity, str)]:
            raise ScoreError(f"{path}: {name!r} has {wrong[0]!r:.60}; expected a list of texts")
    return found


# --- parts ---------------------------------------------------------------------------------------


def _lines(path: Path) -> list[Line]:
    text = _text(path).replace("\r\n", "\n").removesuffix("\n")
    if not text:
        return []
    return [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]


def _text(path: Path) -> str:
    try:
        data = read_bytes(path)
    except OSError as error:
        raise ScoreError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScoreError(f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8") from None


def _check_one_label(path: Path, line: Line) -> None:
    if not line.text:
        raise ScoreError(f"{path}:{line.number}: blank line; expected one label a line")
    if "\t" in line.text:
        columns = line.text.count("\t") + 1
        raise ScoreError(f"{path}:{line.number}: {columns} columns; expected one label a line")


def _json(path: Path) -> Any:
    return _parse(_text(path), path, 1)


def _parse(text: str, path: Path, line: int) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        raise ScoreError(f"{path}:{line}: not JSON: {error.msg}") from None
    except ValueError as error:
        raise ScoreError(f"{path}:{line}: not JSON: {error}") from None


def _squad_questions(path: Path, value: Any) -> list[tuple[str, list[str]]]:
    try:
        found = [
            (question["id"], [answer["text"] for answer in question["answers"]])
            for article in value["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except KeyError as error:
        raise ScoreError(f"{path}: not a SQuAD file: no key {error}") from None
    except TypeError as error:
        raise ScoreError(f"{path}: not a SQuAD file: {error}") from None
    for question, answers in found:
        if not isinstance(question, int | str):
            raise ScoreError(f"{path}: not a SQuAD file: the id {question!r:.60} must be a text")
        if wrong := [text for text in answers if not isinstance(text, str)]:
            raise ScoreError(f"{path}: not a SQuAD file: {wrong[0]!r:.60} must be a text")
    return [(str(question), answers) for question, answers in found]


def _mapping(path: Path, value_type: type, description: str) -> dict[str, Any]:
    """An object whose values all have one type."""
    value = _json(path)
    if not isinstance(value, dict):
        raise ScoreError(f"{path}: expected an object {{id: {description}}}")
    for name, item in value.items():
        if not isinstance(item, value_type):
            raise ScoreError(f"{path}: {name!r} has {item!r:.60}; expected {description}")
    return value
