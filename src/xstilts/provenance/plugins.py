"""Code of other packages: xstilts finds it by an entry point and never imports it by name.

A package offers a function under one of the groups below in its ``pyproject.toml``::

    [project.entry-points."xstilts.sources"]
    embedded = "xstilts_demo.build:build"
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from xstilts.errors import MissingPlugin
from xstilts.provenance.code import LIBRARY

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
    installed: list[EntryPoint] = [*entry_points(group=group)]
    offered = {entry.name: entry for entry in [*installed, *_of_checkout(group)]}
    if name not in offered:
        raise MissingPlugin(
            f"{group}: no installed package offers {name!r} "
            f"(offered: {', '.join(sorted(offered)) or 'nothing'}). {_remedy(group, name)}"
        )
    return offered[name]


def _of_checkout(group: str) -> list[EntryPoint]:
    """The entry points that this library's own checkout declares; none where it is a wheel.

    Jobs in an environment of their own (conda) read the checkout by ``PYTHONPATH`` and have it not
    installed, so that Python does not know its entry points.
    """
    declaration = LIBRARY.parents[1] / "pyproject.toml"
    if not declaration.is_file():
        return []
    project = tomllib.loads(declaration.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != LIBRARY.name:
        return []
    declared = project.get("entry-points", {}).get(group, {})
    return [EntryPoint(name, function, group) for name, function in declared.items()]


def _remedy(group: str, name: str) -> str:
    extra = _EXTRAS.get((group, name))
    if extra is None:
        return f"Install the package whose entry points {group!r} name {name!r}"
    return f'Install it: pip install "xstilts[{extra}]"'
