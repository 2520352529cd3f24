"""Code of other packages: xstilts finds it by an entry point and never imports it by name.

A package offers a function under one of the groups below in its ``pyproject.toml``::

    [project.entry-points."xstilts.sources"]
    embedded = "xstilts_demo.build:build"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from xstilts.errors import MissingPlugin

SOURCES = "xstilts.sources"
"""Builders of raw files: ``build(task, split, language)`` gives rows, dicts of JSON values."""
ENCODERS = "xstilts.encoders"
"""Writers of encoders: ``write(weights, tokenizer, folder, wheels)``."""

_EXTRAS = {(SOURCES, "embedded"): "demo", (ENCODERS, "e5s"): "demo"}
"""The extra of xstilts that installs a plugin of this project."""


def load(group: str, name: str) -> Any:
    """The function that an installed package offers under this name.

    Raises `MissingPlugin` where no package offers it, or where the package that does lacks one that
    it needs.
    """
    entry = _entry(group, name)
    try:
        return entry.load()
    except ImportError as error:
        raise MissingPlugin(f"{group}: {name!r} cannot be used: {error}") from error


def module(group: str, name: str) -> str:
    """The module that defines the function; its code belongs to the spec of what it makes.

    Raises `MissingPlugin` where no package offers it.
    """
    return _entry(group, name).module


@cache
def _entry(group: str, name: str) -> EntryPoint:
    offered = {
        entry.name: entry for entry in entry_points(group=group) or _of_older_installs(group)
    }
    if name not in offered:
        raise MissingPlugin(
            f"{group}: no installed package offers {name!r} "
            f"(offered: {', '.join(sorted(offered)) or 'nothing'}). {_remedy(group, name)}"
        )
    return offered[name]


def _of_older_installs(group: str) -> list[EntryPoint]:
    """TODO: goes as soon as every environment has been made again by ``make env``."""
    functions = {SOURCES: ("embedded", "build:build"), ENCODERS: ("e5s", "e5s:from_wheels")}
    name, function = functions[group]
    return [EntryPoint(name, f"xstilts_demo.{function}", group)]


def _remedy(group: str, name: str) -> str:
    extra = _EXTRAS.get((group, name))
    if extra is None:
        return f"Install the package whose entry points {group!r} name {name!r}"
    return f'Install it: pip install "xstilts[{extra}]"'
