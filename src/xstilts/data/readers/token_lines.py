"""One token a line with its tag, a blank line between sentences: PAN-X, Masakhane, PMB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import in_order, lines, shown
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.readers.options import Encoding, Place, Text
    from xstilts.data.readers.remarks import Rows


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    separator: Text = "\t",
    any_space: bool = False,
    columns: Place = 2,
    token: Place = 0,
    tag: Place = 1,
    comments: list[Text] | None = None,
    prefixed: bool = False,
    tags: Mapping[str, Text] | None = None,
    skip_empty_tokens: bool = False,
    encoding: Encoding = "utf-8",
) -> Rows:
    """Yield one example a sentence; its id is its number from 0 over all parts.

    A line has ``columns`` cells between ``separator``, or, with ``any_space``, between runs of
    spaces and tabs, with which it may also begin or end. ``token`` and ``tag`` count them from 0.
    Lines that begin with one of ``comments`` are skipped. ``prefixed``: tokens are written
    ``xx:token`` (PAN-X as released); the text after the first colon counts. ``tags`` maps tags to
    others, for labels that the recipe's training data does not have. ``skip_empty_tokens`` skips
    lines without a token (two lines of MasakhaNER 2); the default refuses them.
    """
    row, marks, others = 0, tuple(comments or ()), tags or {}
    for _, path in in_order(files):
        words: list[str] = []
        labels: list[str] = []
        for number, line in lines(path, encoding=encoding):
            if marks and line.startswith(marks):
                continue
            if line.strip():
                cells = line.split() if any_space else line.split(separator)
                word, label = _token_and_tag(cells, line, columns, token, tag, path, number)
                if prefixed:
                    word = _without_prefix(word, path, number)
                if word:
                    words.append(word)
                    labels.append(others.get(label, label))
                elif skip_empty_tokens:
                    yield Remark("token left out: it is empty")
                else:
                    raise MalformedFile(
                        path, number, f"expected a token, found none in {shown(line)}"
                    )
            elif words:
                yield {"id": str(row), "tokens": words, "tags": labels}
                words, labels, row = [], [], row + 1
        if words:
            yield {"id": str(row), "tokens": words, "tags": labels}
            row += 1


def labels_given(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The labels that options give to tokens, each with the option's name."""
    return (("tags", label) for label in (options["tags"] or {}).values())


def problems(options: Mapping[str, Any]) -> Iterator[str]:
    """The options that no line can satisfy: a token or a tag outside of its cells."""
    columns = options["columns"]
    for name in ("token", "tag"):
        if options[name] >= columns:
            yield f"{name}: is {options[name]}, but a line has {columns} cells, 0 to {columns - 1}"
    if options["any_space"] and options["separator"] != "\t":
        yield "any_space: leaves no use for separator; give one of them"


def _token_and_tag(
    cells: list[str], line: str, columns: int, token: int, tag: int, path: Path, number: int
) -> tuple[str, str]:
    if len(cells) != columns:
        hint = "; the option `any_space: true` takes runs of spaces for one separator"
        raise MalformedFile(
            path,
            number,
            f"expected {columns} cells, found {len(cells)} in {shown(line)}"
            f"{hint if len(line.split()) == columns else ''}",
        )
    label = cells[tag].strip()
    if not label:
        raise MalformedFile(path, number, f"expected a tag, found none in {shown(line)}")
    return cells[token].strip(), label


def _without_prefix(cell: str, path: Path, number: int) -> str:
    _, colon, word = cell.partition(":")
    if not colon:
        raise MalformedFile(path, number, f"expected 'xx:' before the token, found {shown(cell)}")
    return word.strip()
