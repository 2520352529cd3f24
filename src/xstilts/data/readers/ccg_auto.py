"""CCGbank's AUTO derivations as words with their supertags (lexical categories).

The LDC licenses CCGbank (LDC2005T13), so this project does not contain it: join the files of
sections 02-21 (train), 00 (dev) and 23 (test) of ``data/AUTO`` into one file each and put them into
your mirror folder. A sentence is two lines, ``ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1`` and its
derivation, whose leaves are ``(<L category tag tag word category>)``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import in_order, lines
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.remarks import Rows

_IDENTITY = re.compile(r"ID=(\S+)")
_LEAF = re.compile(r"\(<L (\S+) \S+ \S+ (\S+) \S+>\)")
_WITHOUT_DERIVATION = Remark("sentence left out: no derivation follows its ID")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LCB-": "{", "-RCB-": "}", "-LSB-": "[", "-RSB-": "]"}


def read(files: Mapping[str, Path], language: str) -> Rows:
    """Yield one example a derivation; its id is its ``ID``, and ``-LRB-`` becomes ``(``."""
    for _, path in in_order(files):
        identity = ""
        for number, line in lines(path):
            if line.startswith("ID="):
                if identity:
                    yield _WITHOUT_DERIVATION
                identity = _IDENTITY.match(line)[1] if _IDENTITY.match(line) else ""  # type: ignore[index]
            elif line.strip():
                yield _example(identity, line, path, number)
                identity = ""
        if identity:
            yield _WITHOUT_DERIVATION


def _example(identity: str, line: str, path: Path, number: int) -> Example:
    if not identity:
        raise MalformedFile(path, number, "expected an 'ID=' line before this derivation")
    leaves = _LEAF.findall(line)
    if not leaves or len(leaves) != line.count("<L "):
        raise MalformedFile(
            path,
            number,
            f"expected leaves of the form (<L category tag tag word category>), found "
            f"{len(leaves)} of them among {line.count('<L ')} leaves",
        )
    return {
        "id": identity,
        "tokens": [_BRACKETS.get(word, word) for _, word in leaves],
        "tags": [category for category, _ in leaves],
    }
