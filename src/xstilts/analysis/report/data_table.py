"""A table of the report: one frame of plain values, shown in HTML and written in three formats.

The frame is what readers download: machine names as columns, numbers at full precision. `rows`
turns it into text for the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from xstilts.analysis.report import numbers
from xstilts.provenance import files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Kind = Literal["name", "text", "count", "score", "gain", "interval", "p"]
"""How a column is written. An interval has two columns of the frame, its low and its high end."""

FORMATS = ("csv", "parquet", "tex")


class Column(NamedTuple):
    """A column of the page's table."""

    title: str
    kind: Kind
    name: str
    """The column of the frame; of an interval, its low end."""
    high: str = ""
    """Of an interval: the column of its high end."""


class Cell(NamedTuple):
    """A cell as the page shows it."""

    text: str
    kind: Kind
    value: str
    """What it is sorted by, if that is not its text."""
    link: str


class Row(NamedTuple):
    """A row as the page shows it."""

    anchor: str
    """The id that links name; empty if nothing links here."""
    cells: list[Cell]


@dataclass(frozen=True)
class DataTable:
    """A table with its caption."""

    name: str
    """Of its files, without the ending; a part before ``/`` is a folder."""
    caption: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    anchors: Sequence[str] = ()
    """An id for each row."""
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where the cells of a column lead, by the column's name."""

    @property
    def identifier(self) -> str:
        """The id of the table on the page."""
        return f"table-{self.name.replace('/', '-')}"

    def rows(self) -> list[Row]:
        """The rows as text."""
        records = self.frame.to_dict("records")
        return [
            Row(
                self.anchors[index] if self.anchors else "",
                [self._cell(column, record, index) for column in self.columns],
            )
            for index, record in enumerate(records)
        ]

    def _cell(self, column: Column, record: Mapping[Any, Any], index: int) -> Cell:
        value = record[column.name]
        link = self.links[column.name][index] if column.name in self.links else ""
        text = _text(column, record)
        is_number = column.kind not in ("name", "text")
        return Cell(text, column.kind, sortable(value) if is_number else "", link)


def _text(column: Column, record: Mapping[Any, Any]) -> str:
    value = record[column.name]
    match column.kind:
        case "gain":
            return numbers.signed(value)
        case "score":
            return numbers.plain(value)
        case "interval":
            return numbers.bracketed(value, record[column.high]) or numbers.MISSING
        case "p":
            return numbers.probability(value)
        case "count":
            return f"{value:,.0f}" if numbers.known(value) else numbers.MISSING
        case _:
            return str(value)


def sortable(value: float | None) -> str:
    """What the page's script sorts a number by; empty if it is undefined."""
    return f"{value:.6g}" if value is not None and numbers.known(value) else ""


# --- files ---------------------------------------------------------------------------------------


def paths_of(table: DataTable, folder: Path) -> list[Path]:
    """The files that `write` leaves below a folder."""
    return [folder / f"{table.name}.{ending}" for ending in FORMATS]


def write(table: DataTable, folder: Path) -> list[Path]:
    """Write the frame as CSV and Parquet, and the table as LaTeX (booktabs); returns the paths."""
    csv, parquet, tex = paths_of(table, folder)
    files.write_text(csv, table.frame.to_csv(index=False, lineterminator="\n"))
    with files.write_atomically(parquet) as temporary:
        table.frame.to_parquet(temporary, engine="pyarrow", compression="zstd", index=False)
    files.write_text(tex, latex(table))
    return [csv, parquet, tex]


def latex(table: DataTable) -> str:
    r"""The table as the page shows it, for ``\usepackage{booktabs}``; all texts are escaped."""
    shown = pd.DataFrame(
        [[cell.text for cell in row.cells] for row in table.rows()],
        columns=[column.title for column in table.columns],
    ).astype("object")
    style = shown.style.hide(axis="index").format(escape="latex", na_rep=numbers.MISSING)
    style = style.format_index(escape="latex", axis=1)
    alignment = "".join("l" if c.kind in ("name", "text") else "r" for c in table.columns)
    body = style.to_latex(hrules=True, column_format=alignment).replace(numbers.MINUS, "$-$")
    return f"% {table.caption}\n{body}"
