"""The types of readers' options. `xstilts.data.reading` checks what a card gives against them."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

_STRICT = ConfigDict(extra="forbid", strict=True)

Text = Annotated[str, Field(min_length=1)]
"""A text that is not empty: the name of a column, a separator."""
Place = Annotated[int, Field(ge=0)]
"""A place counted from 0, or a number of things."""


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
        "".encode(name)  # an encoding of texts, and not one such as base64
    except LookupError:
        raise ValueError(f"{name!r} is no encoding that Python knows; examples: latin-1") from None
    return name


def _one_character(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise ValueError(f"{delimiter!r} must be one character, neither a quote nor a line end")
    return delimiter


def _no_name_twice(names: list[str]) -> list[str]:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the column {twice!r} is named twice")
    return names


Encoding = Annotated[str, AfterValidator(_known_encoding)]


@with_config(_STRICT)
class Table(TypedDict, total=False):
    """The form of a part's table; `xstilts.data.readers.records` says what each key means."""

    form: Literal["csv", "tsv", "jsonl", "lines", "parquet"]
    columns: Annotated[list[Text], Field(min_length=1), AfterValidator(_no_name_twice)]
    quoted: bool
    delimiter: Annotated[str, AfterValidator(_one_character)]
    errors: Literal["strict", "replace"]
    encoding: Encoding


@with_config(_STRICT)
class Selection(TypedDict):
    """A part, a table with a header, whose column lists the numbers of the rows to read, from 0."""

    part: Text
    column: Text


def _consistent(table: Table) -> Table:
    """A key that a form has no use for would be ignored in silence."""
    form = table.get("form", "tsv")
    allowed = {"form"}
    if form in ("csv", "tsv", "lines"):
        allowed |= {"columns", "errors", "encoding"}
    if form in ("csv", "tsv"):
        allowed |= {"quoted", "delimiter"}
    if useless := sorted(set(table) - allowed):
        raise ValueError(f"form {form} has no use for {', '.join(useless)}")
    if form == "lines" and len(table.get("columns", ())) != 1:
        raise ValueError("form lines needs one name in columns, like columns: [text]")
    return table


def _all_or_each(tables: dict[str, Table]) -> dict[str, Table]:
    if "*" in tables and len(tables) > 1:
        raise ValueError("'*' describes all parts: no other part may stand beside it")
    return tables


OneTable = Annotated[Table, AfterValidator(_consistent)]
"""The form of one table."""
Tables = Annotated[
    dict[str, OneTable],
    Field(min_length=1),
    AfterValidator(_all_or_each),
]
"""Tables by part, or one for all parts under ``*``."""
