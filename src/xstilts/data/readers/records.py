"""Tables of any form as records, for the readers of labelled texts, choices and questions.

A card describes each part of a split under the option ``tables``::

    tables:
      pairs:  {form: tsv, columns: [premise, hypothesis]}   # no header line: the columns are named
      labels: {form: csv}                                   # a header line names them

The single key ``*`` describes all parts; they are then read one after the other, by part name.

``form`` is ``csv`` (comma), ``tsv`` (tab), ``jsonl`` (one JSON object a line), ``lines`` (one value
a line) or ``parquet`` (the Hub's copies). In CSV a field may stand in double quotes; it may then
hold separators and line ends, and a quote inside it is written twice. In TSV a quote is a character
like any other, unless the table says ``quoted: true``: its fields are then quoted as those of CSV.
Several parts are joined row by row. ``errors: replace`` admits bytes that are not UTF-8; the
default refuses them. In error messages, the line of a row is the one that the row begins on; for a
parquet file it is the row's number, counted from 1.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

from xstilts.data.readers.text import in_order, json_lines, lines, parquet_rows, part, same_length
from xstilts.errors import MalformedFile, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMS = ("csv", "tsv", "jsonl", "lines", "parquet")


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
            raise self.fault(f"{column}: expected a text, found {value!r:.60}")
        return value.strip()

    def identity(self, column: str | None) -> str:
        """The example's id: a column's value, or the row's number from 0."""
        return str(self.row if column is None else self.get(column))


def joined(
    files: Mapping[str, Path], tables: Mapping[str, Mapping[str, Any]], language: str
) -> Iterator[Record]:
    """Yield the rows of all tables side by side, or one after the other for the key ``*``.

    A row's line is that of the first table. If two tables have the same column, the first counts.
    Column names in ``columns`` may contain ``{language}``.
    Raises `MalformedFile` for tables of different lengths.
    """
    if set(tables) == {"*"}:
        yield from _appended(files, tables["*"], language)
        return
    parts = {name: part(files, name) for name in tables}
    loaded = {name: list(_records(path, tables[name], language)) for name, path in parts.items()}
    first = next(iter(parts))
    for name, path in parts.items():
        same_length(parts[first], len(loaded[first]), path, len(loaded[name]))
    for row, side_by_side in enumerate(zip(*loaded.values(), strict=True)):
        merged: dict[str, Any] = {}
        for _, values in side_by_side:
            merged = values | merged
        yield Record(parts[first], side_by_side[0][0], row, merged)


def _appended(
    files: Mapping[str, Path], table: Mapping[str, Any], language: str
) -> Iterator[Record]:
    row = 0
    for _, path in in_order(files):
        for line, values in _records(path, table, language):
            yield Record(path, line, row, values)
            row += 1


def _records(
    path: Path, table: Mapping[str, Any], language: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    allowed = {"form", "columns", "errors", "quoted"}
    for key in table:
        if key not in allowed:
            raise MalformedFile(path, None, f"option tables: {unknown('key', key, allowed)}")
    form = table.get("form", "tsv")
    quoted = table.get("quoted", False)
    if not isinstance(quoted, bool) or (quoted and form != "tsv"):
        raise MalformedFile(
            path,
            None,
            f"option tables: quoted: {quoted!r} with form {form}; "
            "allowed: true or false, with form tsv (form csv is always quoted)",
        )
    errors = str(table.get("errors", "strict"))
    if form in ("jsonl", "parquet"):
        yield from json_lines(path) if form == "jsonl" else parquet_rows(path)
        return
    if form not in FORMS:
        raise MalformedFile(path, None, f"option tables: {unknown('form', form, FORMS)}")
    names = table.get("columns")
    if form == "lines" and not (names and len(names) == 1):
        raise MalformedFile(
            path, None, "option tables: form lines needs one name in columns, like columns: [text]"
        )
    if form == "lines":
        cells = _lines(path, errors)
    elif form == "csv" or quoted:
        cells = _quoted(path, errors, "," if form == "csv" else "\t")
    else:
        cells = _tsv(path, errors)
    if names is None:
        names = next(cells, (0, []))[1]
    names = [str(name).replace("{language}", language) for name in names]
    for line, row in cells:
        if len(row) != len(names):
            raise MalformedFile(
                path,
                line,
                f"expected {len(names)} columns ({', '.join(names)}), found {len(row)}",
            )
        yield line, dict(zip(names, row, strict=True))


def _tsv(path: Path, errors: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines(path, errors):
        if line:
            yield number, line.split("\t")


def _lines(path: Path, errors: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines(path, errors):
        yield number, [line]


def _quoted(path: Path, errors: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, cells) of each row: a quoted value may contain line ends."""
    text = (f"{line}\n" for _, line in lines(path, errors))
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    kind = "CSV" if delimiter == "," else "tab-separated CSV"
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
    return text
