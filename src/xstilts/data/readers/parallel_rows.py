"""Translations in tables, paired by id: SIB-200's sentences, which are FLORES-200's.

English is the query side and the other language has the candidates, as in XTREME's retrieval. See
`xstilts.data.readers.records` for the form of a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.data.readers.records import records
from xstilts.data.readers.text import in_order
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.data.readers.options import OneTable, Text

PARTS = ("english", "foreign")


def read(
    files: Mapping[str, Path], language: str, *, table: OneTable, text: Text, id: Text
) -> Iterator[Example]:
    """Yield queries from the English parts and candidates from the foreign ones, paired by ``id``.

    A side may have several parts, such as ``english.dev`` and ``english.test``. All are tables of
    one form; ``text`` and ``id`` name columns. Raises `MalformedFile` for an id that occurs twice
    on a side or is missing on the other.
    """
    english, foreign = (_side(files, side, table, text, id, language) for side in PARTS)
    for found, others in ((english, foreign), (foreign, english)):
        if lacking := found.keys() - others.keys():
            name = min(lacking)
            path, _ = found[name]
            raise MalformedFile(
                path, None, f"{len(lacking)} ids have no translation, such as {name!r:.80}"
            )
    for name, (_, sentence) in english.items():
        yield {"id": name, "side": "query", "text": sentence, "relevant": [name]}
    for name, (_, sentence) in foreign.items():
        yield {"id": name, "side": "candidate", "text": sentence, "relevant": []}


def _side(
    files: Mapping[str, Path], side: str, table: OneTable, text: str, id: str, language: str
) -> dict[str, tuple[Path, str]]:
    """The sentences of a side by id, each with its file."""
    found: dict[str, tuple[Path, str]] = {}
    for name, path in in_order(files):
        if name.partition(".")[0] != side:
            continue
        for record in records(path, table, language):
            identity = record.identity(id)
            if identity in found:
                raise record.fault(f"the id {identity!r:.80} occurs twice")
            found[identity] = (path, record.text(text))
    return found
