"""HellaSwag as plain text, six lines an item: context, index of the right ending, four endings.

klosax/hellaswag_text_data has the whole validation set in this form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import in_order, lines, shown
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example

_ITEM = 6


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield one example an item; its id is its number from 0."""
    row = 0
    for _, path in in_order(files):
        item: list[str] = []
        for number, line in lines(path):
            item.append(line.strip())
            if len(item) == _ITEM:
                yield _example(item, row, path, number - _ITEM + 1)
                item, row = [], row + 1
        if any(item):
            raise MalformedFile(
                path, number, f"expected {_ITEM} lines an item, found {len(item)} at the end"
            )


def _example(item: list[str], row: int, path: Path, begins: int) -> Example:
    context, gold, *endings = item
    if gold not in ("0", "1", "2", "3"):
        raise MalformedFile(
            path,
            begins + 1,
            f"expected 0, 1, 2 or 3 in the second line of an item, found {shown(gold)}",
        )
    return {"id": str(row), "prompt": context, "choices": endings, "label": int(gold)}
