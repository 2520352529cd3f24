"""COPA's original XML: ``item[@asks-for, @most-plausible-alternative]/{p, a1, a2}``.

Its DOCTYPE names a DTD that nobody ships. The reader never looks for it: it resolves no external
entity, and refuses a file that declares entities of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from xstilts.data.readers.text import in_order, read_whole, shown
from xstilts.errors import MalformedFile, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import Text

_TEXTS = ("p", "a1", "a2")
_ALTERNATIVES = {"1": 0, "2": 1}


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    prompt: Text = "{premise} What was the {question}?",
) -> Iterator[Example]:
    """Yield one example an item; the default prompt is XCOPA's (XTREME-R, ``utils_xcopa``)."""
    for _, path in in_order(files):
        items = _Items(path)
        items.parse(read_whole(path))
        for line, item in items.found:
            yield _example(path, line, item, prompt)


def problems(options: Mapping[str, Any]) -> Iterator[str]:
    """A prompt that asks for more than an item has."""
    try:
        options["prompt"].format(premise="", question="")
    except (LookupError, ValueError, AttributeError) as error:
        yield f"prompt: has {error}; allowed: {{premise}} and {{question}}"


def _example(path: Path, line: int, item: dict[str, str], prompt: str) -> Example:
    for name in ("id", "asks-for", "most-plausible-alternative", *_TEXTS):
        if not item.get(name, "").strip():
            raise MalformedFile(path, line, f"item {shown(item.get('id', ''))} has no {name}")
    asked, right = item["asks-for"], item["most-plausible-alternative"]
    if asked not in ("cause", "effect"):
        raise MalformedFile(path, line, unknown("asks-for", asked, ["cause", "effect"]))
    if right not in _ALTERNATIVES:
        raise MalformedFile(path, line, unknown("alternative", right, _ALTERNATIVES))
    return {
        "id": item["id"],
        "prompt": prompt.format(premise=item["p"].strip(), question=asked),
        "choices": [item["a1"].strip(), item["a2"].strip()],
        "label": _ALTERNATIVES[right],
    }


class _Items:
    """Collects the items of a file with their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inside: str | None = None
        self.found: list[tuple[int, dict[str, str]]] = []
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._entity

    def parse(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            problem = f"not XML: {expat.errors.messages[error.code]}"
            raise MalformedFile(self._path, error.lineno, problem) from error
        except (ValueError, LookupError) as error:  # an encoding that Python does not know
            line = self._parser.CurrentLineNumber
            raise MalformedFile(self._path, line, f"not XML: {error}") from error

    def _entity(self, *_: object) -> None:
        line = self._parser.CurrentLineNumber
        raise MalformedFile(self._path, line, "declares an entity; COPA has none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "item":
            self.found.append((self._parser.CurrentLineNumber, dict(attributes)))
        self._inside = name if name in _TEXTS and self.found else None

    def _end(self, name: str) -> None:
        self._inside = None

    def _text(self, text: str) -> None:
        if self._inside:
            item = self.found[-1][1]
            item[self._inside] = item.get(self._inside, "") + text
