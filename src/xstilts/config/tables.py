"""Tables of ``config/``: tab-separated text with a header and comment lines."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table by column; lines that start with ``#`` are comments.

    Raises `FileNotFoundError` if there is no such file.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        return list(csv.DictReader(lines, delimiter="\t"))


def read_table_if_present(path: Path) -> list[dict[str, str]]:
    """The rows of a table; no rows if there is no such file."""
    return read_table(path) if path.is_file() else []
