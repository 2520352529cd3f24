"""Tagged sentences, one a row, as on the Hub: tokens and tags are lists (WikiANN, Masakhane).

Tags are texts, or indices into the option ``names``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xstilts.data.readers.records import Record, joined
from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.data.readers.options import Tables, Text
    from xstilts.data.readers.remarks import Rows


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    tables: Tables,
    tokens: Text = "tokens",
    tags: Text = "ner_tags",
    names: list[Text] | None = None,
    others: Mapping[str, Text] | None = None,
) -> Rows:
    """Yield one example a row that has tokens; its id is its number from 0 among these.

    ``tokens`` and ``tags`` name columns; ``others`` maps tags to others.
    """
    row = 0
    for record in joined(files, tables, language):
        words, labels = record.get(tokens), record.get(tags)
        if not (isinstance(words, list) and isinstance(labels, list) and len(words) == len(labels)):
            raise record.fault(
                f"expected lists of one length, found {tokens} {shown(words)} "
                f"and {tags} {shown(labels)}"
            )
        if wrong := [word for word in words if not isinstance(word, str) or not word.strip()]:
            raise record.fault(
                f"{tokens}: expected texts that are not empty, found {shown(wrong[0])}"
            )
        read_tags = [_name(record, tag, names) for tag in labels]
        if words:
            yield {
                "id": str(row),
                "tokens": words,
                "tags": [(others or {}).get(tag, tag) for tag in read_tags],
            }
            row += 1
        else:
            yield Remark("row left out: it has no tokens")


def labels_given(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The labels that options give to tokens, each with the option's name."""
    others = options["others"] or {}
    yield from (("others", label) for label in others.values())
    yield from (("names", name) for name in options["names"] or () if name not in others)


def _name(record: Record, tag: object, names: list[str] | None) -> str:
    if isinstance(tag, int) and not isinstance(tag, bool):
        if names is None or not 0 <= tag < len(names):
            raise record.fault(
                f"tag {tag} is not an index into the {len(names or [])} names of the option `names`"
            )
        return names[tag]
    if not isinstance(tag, str) or not tag.strip():
        raise record.fault(f"expected a tag, found {shown(tag)}")
    return tag
