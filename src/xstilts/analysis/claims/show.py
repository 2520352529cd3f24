"""Claim results as a table in a terminal."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from xstilts.analysis.claims.result import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from xstilts.analysis.claims.result import ClaimResult

_STYLES = dict(
    zip(VERDICTS, ("bold green", "bold red", "cyan", "yellow", "dim", "dim"), strict=True)
)


class Row(NamedTuple):
    """What people read of a result; also the columns of ``claims.tsv``."""

    id: str
    encoder: str
    verdict: str
    text: str
    sentence: str
    disagreement: str
    command: str
    source: str


def rows_of(results: Iterable[ClaimResult]) -> list[Row]:
    """A row for each result."""
    return [Row(*(getattr(result, name) for name in Row._fields)) for result in results]


def read_rows(path: Path) -> list[Row]:
    """The rows of a ``claims.tsv``."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [Row(**row) for row in csv.DictReader(stream, delimiter="\t")]


def render(rows: Sequence[Row]) -> RenderableType:
    """A line for each claim with its verdict, then the numbers and the command, if there is one."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("")
    several = len({row.encoder for row in rows if row.encoder}) > 1
    for row in rows:
        text = Text(row.text)
        if several and row.encoder:
            text.append(f" ({row.encoder})")
        text.append(f"\n{row.sentence}", "dim")
        if row.disagreement:
            text.append(f"\nOther ways to measure it: {row.disagreement}.", "dim")
        if row.command:
            text.append(f"\n{row.command}", "cyan")
        table.add_row(row.id, Text(row.verdict, _STYLES.get(row.verdict, "")), text)  # type: ignore[call-overload]
    return table


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    from rich.console import Console

    Console().print(render(rows))
