"""The files that a plan reads, any of which may not be there."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from xstilts.errors import LineageError
from xstilts.provenance import files

if TYPE_CHECKING:
    from pathlib import Path


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table of config/costs, by column; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        return list(csv.DictReader(lines, delimiter="\t"))


def record(path: Path) -> dict[str, Any]:
    """What a stamp or another JSON file says; nothing where it cannot be read."""
    try:
        found = files.read_json(path)
    except LineageError:
        return {}
    return found if isinstance(found, dict) else {}
