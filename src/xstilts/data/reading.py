"""Readers by name: the options that each takes, and what it reads from the files of a card.

The options of a reader are the keyword-only parameters of its ``read``, with their types and
defaults. A card is checked against them before anything runs.
"""

from __future__ import annotations

import importlib
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from pydantic import create_model

from xstilts.config.yaml_models import Model, load
from xstilts.data.readers import options as option_types
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile, StudyError, XstiltsError, unknown

if TYPE_CHECKING:
    from types import ModuleType

    from xstilts.config.task_card import SplitSource
    from xstilts.data.examples import Example

READERS = Path(__file__).parent / "readers"
_HELPERS = ("__init__", "answers", "options", "records", "remarks", "text")
_TYPES = {"Mapping": dict, "Iterator": Iterator, "Path": Path, "Rows": Iterator, "Example": dict}
"""What signatures import for type checking only. A mapping of a card is a dict."""


class Reading(NamedTuple):
    """The examples of some files, and how often each remark was made about them."""

    rows: list[Example]
    remarks: Counter[str]


class UnforeseenFault(MalformedFile):
    """A fault of a file that its reader did not expect: the reader should name it better."""


@cache
def readers() -> tuple[str, ...]:
    """The names of all readers."""
    return tuple(sorted(p.stem for p in READERS.glob("*.py") if p.stem not in _HELPERS))


@cache
def options_of(reader: str) -> type[Model]:
    """The options of a reader as a model; raises `StudyError` for an unknown reader."""
    read = _module(reader).read
    names = _TYPES | vars(option_types)
    types = get_type_hints(read, localns=names, include_extras=True)
    fields: dict[str, Any] = {
        name: (types[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(read).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(f"Options of {reader}", __base__=Model, **fields)


def source_problems(source: SplitSource, labels: Sequence[str] = ()) -> list[str]:
    """What a reader does not allow in a card's entry of it: options and the names of parts.

    ``labels`` are those that the card lists; an option that gives examples another one is a slip.
    """
    try:
        module = _module(source.reader)
    except StudyError as error:
        return [str(error)]
    lacking = [
        part
        for part in getattr(module, "PARTS", ())
        if not any(name.partition(".")[0] == part for name in source.files)
    ]
    found = [f"files: the reader {source.reader} needs the part {part!r}" for part in lacking]
    try:
        options = _checked(source.reader, source.options)
    except StudyError as error:
        return [*found, *str(error).splitlines()]
    tables = options.get("tables", {})
    strange = [name for name in tables if name != "*" and name not in source.files]
    found += [f"options.tables: {unknown('part', name, source.files)}" for name in strange]
    if problems := getattr(module, "problems", None):
        found += [f"options.{problem}" for problem in problems(options)]
    if labels and (labels_given := getattr(module, "labels_given", None)):
        found += [
            f"options.{option}: {unknown('label', label, labels)}"
            for option, label in labels_given(options)
            if label not in labels
        ]
    return found


def read(
    reader: str, files: Mapping[str, Path], language: str, options: Mapping[str, Any]
) -> Reading:
    """Read all examples of some files.

    Raises `StudyError` for an unknown reader and for options that it does not have, and
    `MalformedFile` for a file that it cannot read, whatever is wrong with the file.
    """
    module, given = _module(reader), _checked(reader, options)
    rows: list[Example] = []
    remarks: Counter[str] = Counter()
    try:
        for row in module.read(files, language, **given):
            if isinstance(row, Remark):
                remarks[row.words] += 1
            else:
                rows.append(row)
    except (XstiltsError, OSError):
        raise
    except Exception as error:
        after = f" after the example {rows[-1].get('id')!r:.80}" if rows else ""
        raise UnforeseenFault(
            ", ".join(str(path) for _, path in sorted(files.items())),
            None,
            f"the reader {reader} cannot read it{after} ({type(error).__name__}: {error!s:.200})",
        ) from error
    return Reading(rows, remarks)


def _checked(reader: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a card with the defaults of those that it leaves out."""
    return dict(load(options_of(reader), dict(options), f"reader {reader}"))


def _module(reader: str) -> ModuleType:
    if reader not in readers():
        raise StudyError(unknown("reader", reader, readers()))
    return importlib.import_module(f"xstilts.data.readers.{reader}")
