"""Study files: read strictly, merged in order, and changed by ``--config KEY=VALUE``.

Several files and overrides are merged as Snakemake merges them: mappings key by key, the later
value wins. What Snakemake's own loader passes over in silence is an error here: a key that is given
twice, numbers that YAML 1.1 reads in another base, dates, aliases, a byte order mark. Every error
is a `StudyError` of one line that names the file and, if there is one, the line in it.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from xstilts.errors import StudyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_NOT_TEXT = yaml.reader.Reader.NON_PRINTABLE
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
    text = _text(path, where)
    value = _usable(_value(text, where), where)
    if value is None:
        raise StudyError(
            f"{where}: is empty; a study needs the keys study, encoders, conditions, targets, seeds"
        )
    if not isinstance(value, dict):
        raise StudyError(f"{where}: must be a mapping of keys, not {type(value).__name__}")
    return value


def _text(path: Path, where: str) -> str:
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise StudyError(f"{where}: is a folder; name the study file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise StudyError(f"{where}: cannot be read ({reason}); name a study file") from None
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            raise StudyError(f"{where}: is {encoding}; save it as UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        raise StudyError(f"{where}:1: begins with a byte order mark; save it as UTF-8 without one")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise StudyError(
            f"{where}:{line}: the byte 0x{byte:02x} is not UTF-8; a study is a UTF-8 text"
        ) from None
    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise StudyError(
            f"{where}:{line}: the character U+{ord(found.group()):04X} is not allowed; "
            "a study is a UTF-8 text"
        )
    return text


def _value(text: str, where: str) -> Any:
    """The value of a JSON or YAML text; JSON first, as Snakemake does."""
    try:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text, object_pairs_hook=_pairs)
            except _KeyTwice as error:
                raise StudyError(f"{where}: {error}") from None
            except ValueError:  # a mapping in YAML may begin so
                pass
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise StudyError(f"{where}{line}: {_yaml_problem(error)}") from None
    except RecursionError:
        raise StudyError(f"{where}: lists or mappings are nested too deeply") from None


class _KeyTwice(Exception):
    """A mapping gives a key twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise _KeyTwice(f"the key {key!r} is given twice; delete one of them")
        mapping[key] = value
    return mapping


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


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    """The library's problem in the words of this project."""
    problem = " ".join(str(error.problem).split())
    if isinstance(error, _Refused):
        return problem
    if "'\\t'" in problem:
        return "a tab stands where YAML allows only spaces; replace it by spaces"
    if "another document" in problem:
        return "a second document begins here (---); a study is one document"
    return f"not YAML: {problem}"


class _Refused(yaml.MarkedYAMLError):  # type: ignore[misc]
    """YAML that a study must not use."""

    def __init__(self, node: Any, problem: str) -> None:
        """``node`` is a node or event; the error is at its start."""
        super().__init__(problem=problem, problem_mark=node.start_mark)


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.1 less what is mostly a slip. In Python: libyaml lets tabs pass."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(event, f"the alias *{event.anchor} is not allowed; write the value out")
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Refused(event, f"the tag {tag} is not allowed; delete it")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused(key, "a list or mapping is not allowed as a key; write a text")
            if key.tag == "tag:yaml.org,2002:merge":
                raise _Refused(key, "the merge key << is not allowed; write the keys out")
            if key.tag != "tag:yaml.org,2002:str":
                kind = key.tag.rpartition(":")[2]
                raise _Refused(key, f"the key {key.value!r} is a {kind} in YAML 1.1; quote it")
            if key.value in seen:
                problem = f"the key {key.value!r} is given twice; delete one of them"
                raise _Refused(key, problem)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def whole_number(self, node: Any) -> int:
        """A whole number in decimal digits; 010 would be 8, 0x10 16 and 1:30 90."""
        if not _DECIMAL.fullmatch(node.value) or len(node.value) > 100:
            raise _Refused(
                node,
                f"{node.value!r:.40} is not a whole number in decimal digits; "
                "write it so (without a leading 0), or quote it if it is a text",
            )
        return int(node.value)

    def number(self, node: Any) -> float:
        """A number with a point; 1:30.5 would be 90.5."""
        if ":" in node.value:
            raise _Refused(node, f"{node.value!r} is a time in YAML 1.1; quote it")
        value: float = self.construct_yaml_float(node)
        return value

    def no_value(self, node: Any) -> Any:
        """Dates and the sign ``=``, which no key of a study takes."""
        kind = "date" if node.tag.endswith("timestamp") else "sign"
        raise _Refused(node, f"{node.value!r} is a {kind} in YAML 1.1; quote it")


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.whole_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.number)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.no_value)
_StrictLoader.add_constructor("tag:yaml.org,2002:value", _StrictLoader.no_value)
