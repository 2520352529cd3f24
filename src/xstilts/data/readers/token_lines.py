"""One token a line with its tag, a blank line between sentences: PAN-X, Masakhane, PMB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import in_order, lines
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    separator: str = "\t",
    columns: int = 2,
    token: int = 0,
    tag: int = 1,
    comments: tuple[str, ...] | list[str] = (),
    prefixed: bool = False,
    tags: Mapping[str, str] | None = None,
    skip_empty_tokens: bool = False,
) -> Iterator[Example]:
    """Yield one example a sentence; its id is its number from 0 over all parts.

    A line has ``columns`` cells between ``separator``; ``token`` and ``tag`` count them from 0.
    Lines that begin with one of ``comments`` are skipped. ``prefixed``: tokens are written
    ``xx:token`` (PAN-X as released); the text after the first colon counts. ``tags`` maps tags to
    others, for labels that the recipe's training data does not have. ``skip_empty_tokens`` skips
    lines without a token (two lines of MasakhaNER 2); the default refuses them.
    """
    row, marks, others = 0, tuple(comments), tags or {}
    for _, path in in_order(files):
        words: list[str] = []
        labels: list[str] = []
        for number, line in lines(path):
            if marks and line.startswith(marks):
                continue
            if line.strip():
                word, label = _cells(line, separator, columns, token, tag, path, number)
                if prefixed:
                    word = _without_prefix(word, path, number)
                if word:
                    words.append(word)
                    labels.append(others.get(label, label))
                elif not skip_empty_tokens:
                    raise MalformedFile(
                        path, number, f"expected a token, found none in {line!r:.80}"
                    )
            elif words:
                yield {"id": str(row), "tokens": words, "tags": labels}
                words, labels, row = [], [], row + 1
        if words:
            yield {"id": str(row), "tokens": words, "tags": labels}
            row += 1


def _cells(
    line: str, separator: str, columns: int, token: int, tag: int, path: Path, number: int
) -> tuple[str, str]:
    cells = line.split(separator)
    if len(cells) != columns:
        raise MalformedFile(
            path, number, f"expected {columns} cells, found {len(cells)} in {line!r:.80}"
        )
    label = cells[tag].strip()
    if not label:
        raise MalformedFile(path, number, f"expected a tag, found none in {line!r:.80}")
    return cells[token].strip(), label


def _without_prefix(cell: str, path: Path, number: int) -> str:
    _, colon, word = cell.partition(":")
    if not colon:
        raise MalformedFile(path, number, f"expected 'xx:' before the token, found {cell!r:.80}")
    return word.strip()
