"""Tables of any form as records, for the readers of labelled texts, choices and questions.

A card describes each part of a split under the option ``tables``::

    tables:
      pairs:  {form: tsv, columns: [premise, hypothesis]}   # no header line: the columns are named
      labels: {form: csv}                                   # a header line names them

The single key ``*`` describes all parts; they are then read one after the other, by part name.
Several parts are joined row by row.

``form`` is ``csv`` (comma), ``tsv`` (tab), ``jsonl`` (one JSON object a line), ``lines`` (one value
a line) or ``parquet`` (the Hub's copies). ``delimiter`` replaces the comma or the tab. In CSV a
field may stand in double quotes; it may then hold delimiters and line ends, and a quote inside it
is written twice. In TSV a quote is a character like any other. ``quoted: true`` reads a TSV with
CSV's quotes, ``quoted: false`` a CSV without. A table that is read without quotes although a
cell stands in them is refused, unless its card says ``quoted: false``.

``errors: replace`` admits bytes that are not of the ``encoding``, which is UTF-8 unless the table
names another; the default refuses them. In error messages, the line of a row is the one that the
row begins on; for a parquet file it is the row's number, counted from 1.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.readers.text import (
    in_order,
    json_lines,
    lines,
    parquet_rows,
    part,
    same_length,
    shown,
)
from xstilts.errors import MalformedFile, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xstilts.data.readers.options import Table, Tables

DELIMITERS = {"csv": ",", "tsv": "\t"}
LONGEST_FIELD = 16 * 2**20
"""Characters of the longest field in quotes: a quote that is never closed swallows a whole file."""


class Record(NamedTuple):
    """One row: its values by column, its file and line, and its number from 0."""

    path: Path
    line: int
    row: int
    values: dict[str, Any]

    def fault(self, problem: str) -> MalformedFile:
        """The error for a problem of this row, with its file and line."""
        return MalformedFile(self.path, self.line, problem)

    def get(self, column: str) -> Any:
        """The value of a column; ``a.b`` is ``b`` inside the object ``a``."""
        value: Any = self.values
        for step in column.split("."):
            if not isinstance(value, dict) or step not in value:
                raise self.fault(unknown("column", column, self.values))
            value = value[step]
        return value

    def text(self, column: str) -> str:
        """The text of a column, without surrounding white space."""
        value = self.get(column)
        if not isinstance(value, str):
            raise self.fault(f"{column}: expected a text, found {shown(value)}")
        return value.strip()

    def name(self, column: str) -> str:
        """A column that holds a name, such as an id or a label: a text, or a whole number."""
        value = self.get(column)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.fault(f"{column}: expected a text or a number, found {shown(value)}")
        return str(value).strip()

    def identity(self, column: str | None) -> str:
        """The example's id: a column's value, which must not be empty, or the row's number."""
        if column is None:
            return str(self.row)
        if not (name := self.name(column)):
            raise self.fault(f"{column}: expected an id, found none")
        return name


def joined(files: Mapping[str, Path], tables: Tables, language: str) -> Iterator[Record]:
    """Yield the rows of all tables side by side, or one after the other for the key ``*``.

    A row's line is that of the first table. If two tables have the same column, the first counts.
    Column names in ``columns`` may contain ``{language}``.
    Raises `MalformedFile` for tables of different lengths.
    """
    if set(tables) == {"*"}:
        yield from _appended(files, tables["*"], language)
        return
    parts = {name: part(files, name) for name in tables}
    loaded = {name: list(_rows(path, tables[name], language)) for name, path in parts.items()}
    first = next(iter(parts))
    for name, path in parts.items():
        same_length(parts[first], len(loaded[first]), path, len(loaded[name]))
    for row, side_by_side in enumerate(zip(*loaded.values(), strict=True)):
        merged: dict[str, Any] = {}
        for _, values in side_by_side:
            merged = values | merged
        yield Record(parts[first], side_by_side[0][0], row, merged)


def _appended(files: Mapping[str, Path], table: Table, language: str) -> Iterator[Record]:
    row = 0
    for _, path in in_order(files):
        for record in records(path, table, language):
            yield record._replace(row=row)
            row += 1


def records(path: Path, table: Table, language: str) -> Iterator[Record]:
    """Yield the rows of one table."""
    for row, (line, values) in enumerate(_rows(path, table, language)):
        yield Record(path, line, row, values)


def _rows(path: Path, table: Table, language: str) -> Iterator[tuple[int, dict[str, Any]]]:
    form = table.get("form", "tsv")
    if form in ("jsonl", "parquet"):
        yield from json_lines(path) if form == "jsonl" else parquet_rows(path)
        return
    cells = _cells(path, form, table)
    names: Sequence[str] | None = table.get("columns")
    if names is None:
        names = _header(path, cells)
    if form != "lines" and not _is_quoted(form, table) and "quoted" not in table:
        cells = _without_quotes(path, cells)
    names = [name.replace("{language}", language) for name in names]
    for line, row in cells:
        if len(row) != len(names):
            raise MalformedFile(
                path,
                line,
                f"expected {len(names)} columns ({', '.join(names)}), found {len(row)}",
            )
        yield line, dict(zip(names, row, strict=True))


def _header(path: Path, cells: Iterator[tuple[int, list[str]]]) -> list[str]:
    line, names = next(cells, (1, []))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise MalformedFile(
            path, line, f"the header names the column {twice!r} twice; name all in `columns`"
        )
    return names


def _cells(path: Path, form: str, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a text table; the line is the one that the row begins on."""
    text = lines(path, table.get("errors", "strict"), table.get("encoding", "utf-8"))
    if form == "lines":
        return ((number, [line]) for number, line in text)
    delimiter = table.get("delimiter", DELIMITERS[form])
    if _is_quoted(form, table):
        return _quoted(path, text, delimiter, "CSV" if form == "csv" else "tab-separated CSV")
    return ((number, line.split(delimiter)) for number, line in text if line)


def _is_quoted(form: str, table: Table) -> bool:
    return table.get("quoted", form == "csv")


def _without_quotes(
    path: Path, cells: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """Pass rows on; raise `MalformedFile` at the end if some of them have cells in CSV's quotes.

    A quote that is written twice inside a cell tells CSV's quotes from those of the text. One such
    row is enough: of files in CSV's quotes some have one in 700 (SIB-200's Chinese). Without one,
    cells that begin and end with a quote do, in more than half of the rows.
    """
    rows, suspects, enclosed, first = 0, 0, 0, 0
    for number, row in cells:
        rows += 1
        enclosed += any(map(_is_enclosed, row))
        if any(map(_in_csv_quotes, row)):
            suspects += 1
            first = first or number
        yield number, row
    if not suspects and enclosed > rows / 2:
        suspects, first = enclosed, 1
    if suspects:
        raise MalformedFile(
            path,
            first,
            f"{suspects:,} of {rows:,} rows have cells in the quotes of CSV, this line first, but "
            "the table is read without quotes; say `quoted: true` in `tables`, or "
            "`quoted: false` if these quotes are a part of the text",
        )


def _is_enclosed(cell: str) -> bool:
    return len(cell) > 2 and cell[0] == '"' == cell[-1] and '"' not in cell[1:-1]


def _in_csv_quotes(cell: str) -> bool:
    return (
        len(cell) > 3
        and cell[0] == '"' == cell[-1]
        and '""' in (inner := cell[1:-1])
        and '"' not in inner.replace('""', "")
    )


def _quoted(
    path: Path, text: Iterator[tuple[int, str]], delimiter: str, kind: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, cells) of each row: a quoted value may contain line ends."""
    csv.field_size_limit(LONGEST_FIELD)  # the library's own default is 131,072 characters
    rows = csv.reader((f"{line}\n" for _, line in text), delimiter=delimiter, strict=True)
    while True:
        begins = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise MalformedFile(path, begins, f"not {kind}: {_csv_problem(error)}") from error
        if row:
            yield begins, row


def _csv_problem(error: csv.Error) -> str:
    """The error of the library in words that need no knowledge of it."""
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote that opens in this row is not closed"
    if "expected after" in text:
        return "text follows the closing quote of a field (a quote inside a field is doubled)"
    if "field limit" in text:
        return f"a field has more than {LONGEST_FIELD:,} characters: a quote is not closed"
    return text
