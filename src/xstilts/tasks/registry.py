"""The types of task by name, without torch: a new type is a folder here and one line.

No job imports this module: the code digest of a job names the types that it runs, and a new type
changes no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from xstilts.config.task_schema import TaskSchema
from xstilts.tasks.shuffling import own_shuffle

TASK_TYPES = (
    "classification",
    "multiple_choice",
    "tagging",
    "span_qa",
    "document_qa",
    "retrieval",
    "mlm",
)


def schema_module(name: str) -> str:
    """The module with a type's `TaskSchema`, called ``SCHEMA``."""
    return f"xstilts.tasks.{name}.schema"


def model_modules(name: str) -> list[str]:
    """The modules that compute with a type: its model and, if it is scored, its scoring."""
    model, scoring = f"xstilts.tasks.{name}.model", f"xstilts.tasks.{name}.scoring"
    return [model] if SCHEMAS[name].gold is None else [model, scoring]


def item_modules(name: str) -> list[str]:
    """The module that says what each item adds to a score of a type, if it has one."""
    module = f"xstilts.tasks.{name}.items"
    return [module] if find_spec(module) else []


def shuffle_modules(name: str) -> list[str]:
    """The modules that shuffle the answers of a type's examples."""
    own = own_shuffle(name)
    return ["xstilts.tasks.shuffling", *([own] if own else [])]


class _Schemas(Mapping[str, TaskSchema]):
    """The schemas by name; a module is imported when its schema is first asked for."""

    def __getitem__(self, name: str) -> TaskSchema:
        if name not in TASK_TYPES:
            raise KeyError(name)
        return _schema(name)

    def __iter__(self) -> Iterator[str]:
        return iter(TASK_TYPES)

    def __len__(self) -> int:
        return len(TASK_TYPES)


@cache
def _schema(name: str) -> TaskSchema:
    return cast("TaskSchema", import_module(schema_module(name)).SCHEMA)


SCHEMAS = _Schemas()
