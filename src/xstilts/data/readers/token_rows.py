"""Tagged sentences, one a row, as on the Hub: tokens and tags are lists (WikiANN, Masakhane).

Tags are texts, or indices into the option ``names``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.records import Record, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.examples import Example


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Mapping[str, Mapping[str, Any]],
    tokens: str = "tokens",
    tags: str = "ner_tags",
    names: list[str] | None = None,
    others: Mapping[str, str] | None = None,
) -> Iterator[Example]:
    """Yield one example a row that has tokens; its id is its number from 0.

    ``tokens`` and ``tags`` name columns; ``others`` maps tags to others.
    """
    row = 0
    for record in joined(files, tables, language):
        words, labels = record.get(tokens), record.get(tags)
        if not (isinstance(words, list) and isinstance(labels, list) and len(words) == len(labels)):
            raise record.fault(
                f"expected lists of one length, found {tokens} {words!r:.40} "
                f"and {tags} {labels!r:.40}"
            )
        read_tags = [_name(record, tag, names) for tag in labels]
        if words:
            yield {
                "id": str(row),
                "tokens": [str(word) for word in words],
                "tags": [(others or {}).get(tag, tag) for tag in read_tags],
            }
            row += 1


def _name(record: Record, tag: object, names: list[str] | None) -> str:
    if isinstance(tag, int):
        if names is None or not 0 <= tag < len(names):
            raise record.fault(
                f"tag {tag} is not an index into the {len(names or [])} names of the option `names`"
            )
        return names[tag]
    return str(tag)
