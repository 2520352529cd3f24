"""Study files: read strictly, merged in order, and changed by ``--config KEY=VALUE``.

Several files and overrides are merged as Snakemake merges them: mappings key by key, the later
value wins. What Snakemake's own loader passes over in silence is an error here (`strict_yaml`).
Every error is a `StudyError` of one line that names the file and, if there is one, the line in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from xstilts.config.strict_yaml import read_value
from xstilts.errors import StudyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)", re.ASCII)
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)


class LoadedStudy(NamedTuple):
    """The keys of a study, not yet validated, and the name that messages give their source."""

    config: dict[str, Any]
    where: str


def load_study(files: Sequence[Path], overrides: Mapping[str, Any] | None = None) -> LoadedStudy:
    """Read one or several study files (YAML or JSON) and merge them, then the overrides.

    ``overrides`` are the values of ``--config``, as `parse_overrides` or Snakemake gives them.
    Raises `StudyError` with one line, whatever the files hold.
    """
    config: dict[str, Any] = {}
    for path in files:
        config = merged(config, _read(path))
    places = [_shown(path) for path in files]
    if overrides:
        places.append("--config")
        config = merged(config, _usable(_typed(dict(overrides)), "--config"))
    return LoadedStudy(config, " + ".join(places))


def merged(config: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with an update: mappings are merged, every other value is replaced.

    >>> merged({"training": {"all": 1}, "seeds": [1]}, {"training": {"recipe": 2}, "seeds": [2]})
    {'training': {'all': 1, 'recipe': 2}, 'seeds': [2]}
    """
    result = dict(config)
    for key, value in update.items():
        if not isinstance(value, Mapping):
            result[key] = value
        elif value or key not in result:  # an empty mapping changes nothing
            present = result.get(key)
            result[key] = merged(present if isinstance(present, Mapping) else {}, value)
    return result


# --- overrides ------------------------------------------------------------------------------------


def parse_overrides(entries: Sequence[str]) -> dict[str, Any]:
    """The values of ``--config KEY=VALUE ...``, typed as Snakemake types them.

    A value is a whole number, a number, True or False, a YAML list or mapping, or a text. Raises
    `UsageError` for an entry without a key.

    >>> parse_overrides(["study=small", "seeds=[1, 2]", "evaluation={batch_tokens: 512}"])
    {'study': 'small', 'seeds': ['1', '2'], 'evaluation': {'batch_tokens': '512'}}
    """
    config: dict[str, Any] = {}
    for entry in entries:
        key, equals, text = entry.partition("=")
        if not (equals and re.fullmatch(r"[A-Za-z_][\w-]*", key)):
            raise UsageError(f"--config: {entry!r} is not KEY=VALUE, for example 'seeds=[1,2]'")
        config = merged(config, {key: _parsed(text)})
    return config


def _parsed(text: str) -> Any:
    if text == "":
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    if text in ("True", "False"):
        return text == "True"
    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def _typed(value: Any) -> Any:
    """An override with its numbers: Snakemake gives those inside a list or mapping as texts."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, str):
        return value
    if value in _WORDS:
        return _WORDS[value]
    if len(value) > 100:  # no number that a study has
        return value
    if _DECIMAL.fullmatch(value):
        return int(value)
    return float(value) if _NUMBER.fullmatch(value) else value


_WORDS: dict[str, bool | None] = {"null": None, "~": None, "true": True, "false": False}


# --- files ----------------------------------------------------------------------------------------


def _shown(path: Path) -> str:
    """A path as messages give it: relative to the working directory if it lies there."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return str(path)


def _read(path: Path) -> dict[str, Any]:
    where = _shown(path)
    value = _usable(read_value(path, where), where)
    if value is None:
        raise StudyError(
            f"{where}: is empty; a study needs the keys study, encoders, conditions, targets, seeds"
        )
    if not isinstance(value, dict):
        raise StudyError(f"{where}: must be a mapping of keys, not {type(value).__name__}")
    return value


def _usable(value: Any, where: str) -> Any:
    """The value itself, if every text in it can be printed in one line.

    Others would break messages, file names and terminals: line ends, zero bytes, half characters.
    """
    texts = [value]
    while texts:
        item = texts.pop()
        if isinstance(item, dict):
            texts += [*item, *item.values()]
        elif isinstance(item, list):
            texts += item
        elif isinstance(item, str) and not item.isprintable():
            wrong = next(character for character in item if not character.isprintable())
            raise StudyError(
                f"{where}: {item!a:.80}: the character U+{ord(wrong):04X} is not allowed; delete it"
            )
    return value
