"""CCGbank's AUTO derivations as words with their supertags (lexical categories).

CCGbank is licensed by the LDC (LDC2005T13) and never comes with this project: join the files of
sections 02-21 (train), 00 (dev) and 23 (test) of ``data/AUTO`` into one file each and put them into
your mirror folder. A sentence is two lines, ``ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1`` and its
derivation, whose leaves are ``(<L category tag tag word category>)``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xstilts.data.readers.text import in_order, lines
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example

_IDENTITY = re.compile(r"ID=(\S+)")
_LEAF = re.compile(r"\(<L (\S+) \S+ \S+ (\S+) \S+>\)")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LCB-": "{", "-RCB-": "}", "-LSB-": "[", "-RSB-": "]"}


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield one example a derivation, named by its ``ID``; brackets are written as brackets."""
    for _, path in in_order(files):
        identity = ""
        for number, line in lines(path):
            if line.startswith("ID="):
                identity = _IDENTITY.match(line)[1] if _IDENTITY.match(line) else ""  # type: ignore[index]
            elif line.strip():
                yield _example(identity, line, path, number)
                identity = ""


def _example(identity: str, line: str, path: Path, number: int) -> Example:
    if not identity:
        raise MalformedFile(path, number, "a derivation without its 'ID=' line before it")
    leaves = _LEAF.findall(line)
    if not leaves or len(leaves) != line.count("<L "):
        raise MalformedFile(
            path,
            number,
            f"{line.count('<L ')} leaves, {len(leaves)} of the form "
            "(<L category tag tag word category>)",
        )
    return {
        "id": identity,
        "tokens": [_BRACKETS.get(word, word) for _, word in leaves],
        "tags": [category for category, _ in leaves],
    }
