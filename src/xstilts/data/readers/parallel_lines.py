"""Two line-aligned files of translations (Tatoeba): line i of one translates line i of the other.

English is the query side and the other language has the candidates, as XTREME scores it
(``third_party/evaluate_retrieval.py``); repeated sentences are separate candidates, as in XTREME.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import lines, part, same_length
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


PARTS = ("english", "foreign")


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield queries ``q0, q1, ...`` from part ``english``, candidates ``c0, ...`` from ``foreign``.

    Raises `MalformedFile` with both counts if the parts have different lengths, for a line without
    text, and for a line with a tab, which is a row of a table (see the reader ``parallel_rows``).
    """
    english_path, foreign_path = part(files, "english"), part(files, "foreign")
    english, foreign = list(_sentences(english_path)), list(_sentences(foreign_path))
    same_length(english_path, len(english), foreign_path, len(foreign))
    for i, text in enumerate(english):
        yield {"id": f"q{i}", "side": "query", "text": text, "relevant": [f"c{i}"]}
    for i, text in enumerate(foreign):
        yield {"id": f"c{i}", "side": "candidate", "text": text, "relevant": []}


def _sentences(path: Path) -> Iterator[str]:
    for number, line in lines(path):
        if not line.strip():
            raise MalformedFile(path, number, "expected a sentence, found an empty line")
        if "\t" in line:
            raise MalformedFile(
                path, number, "a tab: this is a table; the reader parallel_rows reads tables"
            )
        yield line
