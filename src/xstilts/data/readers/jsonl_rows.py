"""Rows with the columns of examples, one JSON object a line: the embedded benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import in_order, json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield every row of every part; `xstilts.data.checks.check_rows` compares their columns."""
    for _, path in in_order(files):
        for _, row in json_lines(path):
            yield row
