"""Two line-aligned files of translations (Tatoeba): line i of one translates line i of the other.

English is the query side and the other language has the candidates, as XTREME scores it
(``third_party/evaluate_retrieval.py``); repeated sentences are separate candidates, as in XTREME.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import lines, part, same_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield queries ``q0, q1, ...`` from part ``english``, candidates ``c0, ...`` from ``foreign``.

    Raises `MalformedFile` with both counts if the parts have different lengths.
    """
    english_path, foreign_path = part(files, "english"), part(files, "foreign")
    english = [text for _, text in lines(english_path)]
    foreign = [text for _, text in lines(foreign_path)]
    same_length(english_path, len(english), foreign_path, len(foreign))
    for i, text in enumerate(english):
        yield {"id": f"q{i}", "side": "query", "text": text, "relevant": [f"c{i}"]}
    for i, text in enumerate(foreign):
        yield {"id": f"c{i}", "side": "candidate", "text": text, "relevant": []}
