"""Tables of ``config/``: tab-separated text with a header and comment lines."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from xstilts.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table by column; lines that start with ``#`` are comments.

    Cells that a row lacks at its end are empty. Raises `FileNotFoundError` if there is no such
    file, and `StudyError` for a file that is no table: not UTF-8, or with a row that has more cells
    than the header.
    """
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = (line for line in stream if not line.startswith("#"))
            for row in csv.DictReader(lines, delimiter="\t", restval=""):
                if None in row:
                    first = next(iter(row.values()))
                    raise StudyError(
                        f"{path}: the row of {first!r:.60} has more cells than the header"
                    )
                rows.append(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: is no table in UTF-8 ({error})") from error
    return rows


def read_table_if_present(path: Path) -> list[dict[str, str]]:
    """The rows of a table; no rows if there is no such file."""
    return read_table(path) if path.is_file() else []
