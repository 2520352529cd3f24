"""YAML and JSON of studies and cards, read strictly: what is mostly a slip is an error.

YAML 1.1 passes over much in silence: a key that is given twice, numbers that it reads in another
base (``010`` is 8, ``1:30`` is 90), dates, a byte order mark. Tags can ask for any type of Python,
and an alias can name a value that contains it, or a value of a billion parts. Every problem is a
`StudyError` of one line that names the file and, if there is one, the line in it.
"""

from __future__ import annotations

import codecs
import json
import re
import reprlib
from typing import TYPE_CHECKING, Any

import yaml

from xstilts.errors import StudyError
from xstilts.provenance.files import KeyTwice, distinct, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LARGEST = 2**17
"""Bytes of the largest file, which takes two seconds; our largest card has 9,000."""
_NOT_TEXT = yaml.reader.Reader.NON_PRINTABLE
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)", re.ASCII)
_MOST_VALUES = 100_000
"""Values that a file may have once its aliases are replaced."""
_LONGEST_NUMBER = 18
"""Characters of the largest whole number that a key of a study or a card could take."""


def read_value(path: Path, where: str, *, aliases: bool = False) -> Any:
    """The value of a file in YAML or JSON; ``where`` is the file's name in messages.

    ``aliases``: whether a value may stand for an earlier one (``*name``), as programs write cards.
    """
    return _value(_text(path, where), where, _AliasLoader if aliases else _StrictLoader)


def _text(path: Path, where: str) -> str:
    try:
        data = read_bytes(path, _LARGEST)
    except IsADirectoryError:
        raise StudyError(f"{where}: is a folder; name a file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise StudyError(f"{where}: cannot be read ({reason})") from None
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
        raise StudyError(f"{where}:{line}: the byte 0x{byte:02x} is not UTF-8") from None
    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        character = f"U+{ord(found.group()):04X}"
        raise StudyError(f"{where}:{line}: the character {character} is not allowed; delete it")
    return text


def _value(text: str, where: str, loader: type[_StrictLoader]) -> Any:
    """The value of a JSON or YAML text; JSON first, as Snakemake does."""
    try:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text, object_pairs_hook=distinct)
            except KeyTwice as error:
                raise StudyError(f"{where}: {error}") from None
            except ValueError:  # a mapping in YAML may begin so
                pass
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise StudyError(f"{where}{line}: {_yaml_problem(error)}") from None
    except RecursionError:
        raise StudyError(f"{where}: lists or mappings are nested too deeply") from None


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    """The library's problem in the words of this project."""
    problem = " ".join(str(error.problem).split())
    if isinstance(error, _Refused):
        return problem
    if "'\\t'" in problem:
        return "a tab stands where YAML allows only spaces; replace it by spaces"
    if "another document" in problem:
        return "a second document begins here (---); a file is one document"
    return f"not YAML: {problem}"


class _Refused(yaml.MarkedYAMLError):  # type: ignore[misc]
    """YAML that a study or a card must not use."""

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
            if key.tag == _INT and re.fullmatch(r"0|-?[1-9][0-9]*", key.value, re.ASCII):
                key.tag = _TEXT  # a label such as 0 is a text, as it is in JSON
            if key.tag != _TEXT:
                kind = key.tag.rpartition(":")[2]
                raise _Refused(key, f"the key {key.value!r} is a {kind} in YAML 1.1; quote it")
            if key.value in seen:
                problem = f"the key {key.value!r} is given twice; delete one of them"
                raise _Refused(key, problem)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def whole_number(self, node: Any) -> int:
        """A whole number in decimal digits; 010 would be 8, 0x10 16 and 1:30 90."""
        if not _DECIMAL.fullmatch(node.value):
            raise _Refused(
                node,
                f"{reprlib.repr(node.value)} is not a whole number in decimal digits; "
                "write it so (without a leading 0), or quote it if it is a text",
            )
        if len(node.value) > _LONGEST_NUMBER:
            shown = reprlib.repr(node.value)
            raise _Refused(node, f"{shown} is too large a number; write a smaller one, or quote it")
        return int(node.value)

    def number(self, node: Any) -> float:
        """A number with a point; 1:30.5 would be 90.5."""
        if ":" in node.value:
            raise _Refused(node, f"{node.value!r} is a time in YAML 1.1; quote it")
        value: float = self.construct_yaml_float(node)
        return value

    def no_value(self, node: Any) -> Any:
        """Dates and the sign ``=``, which no key of a study or a card takes."""
        kind = "date" if node.tag.endswith("timestamp") else "sign"
        raise _Refused(node, f"{node.value!r} is a {kind} in YAML 1.1; quote it")


class _AliasLoader(_StrictLoader):
    """The strict loader, with aliases of values that are whole and not too many."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._unfinished: set[str | None] = set()
        self._values = 0
        self._values_in: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and event.anchor in self.anchors:
            if event.anchor in self._unfinished:
                raise _Refused(event, f"the alias *{event.anchor} stands for a value that holds it")
            self._values += self._count(self.anchors[event.anchor])
            if self._values > _MOST_VALUES:
                raise _Refused(event, f"the alias *{event.anchor} makes this too many values")
            self.get_event()
            return self.anchors[event.anchor]
        anchor = getattr(event, "anchor", None)
        self._unfinished.add(anchor)
        node = super().compose_node(parent, index)
        self._unfinished.discard(anchor)
        return node

    def _count(self, node: Any) -> int:
        """The values that a node stands for, its aliases replaced."""
        if id(node) not in self._values_in:
            parts = [] if isinstance(node, yaml.ScalarNode) else node.value
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in parts for part in pair]
            self._values_in[id(node)] = 1 + sum(map(self._count, parts))
        return self._values_in[id(node)]


_TEXT, _INT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int"
_StrictLoader.add_constructor(_INT, _StrictLoader.whole_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.number)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.no_value)
_StrictLoader.add_constructor("tag:yaml.org,2002:value", _StrictLoader.no_value)
