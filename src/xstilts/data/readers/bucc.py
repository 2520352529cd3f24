"""BUCC 2018: two monolingual corpora, ``id<TAB>sentence``, and the pairs that translate each other.

Most sentences have no translation. The foreign language is the query side, as in XTREME's mining
(``third_party/utils_retrieve.py``: source is the foreign corpus, target the English one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.text import lines, part, shown
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


PARTS = ("foreign", "english", "gold")


def read(files: Mapping[str, Path], language: str) -> Iterator[Example]:
    """Yield queries from part ``foreign`` and candidates from ``english``, paired by ``gold``.

    A line of ``gold`` is ``foreign id<TAB>English id``; an unknown id is an error.
    """
    foreign, english = _corpus(part(files, "foreign")), _corpus(part(files, "english"))
    relevant: dict[str, list[str]] = {}
    gold = part(files, "gold")
    for number, (source, target) in _two_columns(gold):
        for identity, corpus in ((source, foreign), (target, english)):
            if identity not in corpus:
                raise MalformedFile(gold, number, f"no sentence has the id {identity!r}")
        relevant.setdefault(source, []).append(target)
    for identity, text in foreign.items():
        yield {
            "id": identity,
            "side": "query",
            "text": text,
            "relevant": relevant.get(identity, []),
        }
    for identity, text in english.items():
        yield {"id": identity, "side": "candidate", "text": text, "relevant": []}


def _corpus(path: Path) -> dict[str, str]:
    corpus: dict[str, str] = {}
    for number, (identity, text) in _two_columns(path):
        if identity in corpus:
            raise MalformedFile(path, number, f"the id {identity!r} occurs twice")
        corpus[identity] = text
    return corpus


def _two_columns(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    for number, line in lines(path):
        left, tab, right = line.partition("\t")
        if not tab or not left or not right.strip():
            raise MalformedFile(
                path, number, f"expected two columns separated by a tab, found {shown(line)}"
            )
        yield number, (left, right.strip())
