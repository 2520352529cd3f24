"""One token a line with its tag, a blank line between sentences: PAN-X, Masakhane, PMB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.errors import MalformedFile
from xstilts.readers.text import in_order, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.examples import Example

_Sentence = list[tuple[str, str]]


def read(
    files: Mapping[str, Path],
    language: str,
    *,
    separator: str = "\t",
    columns: int = 2,
    token: int = 0,
    tag: int = 1,
    comments: tuple[str, ...] | list[str] = (),
    prefixed: bool = False,
    tags: Mapping[str, str] | None = None,
    skip_empty_tokens: bool = False,
) -> Iterator[Example]:
    """Yield one example a sentence; its id is its number from 0 over all parts.

    A line has ``columns`` cells between ``separator``; ``token`` and ``tag`` count them from 0.
    Lines that begin with one of ``comments`` are passed. ``prefixed``: tokens are written
    ``xx:token`` (PAN-X as released); what follows the first colon counts. ``tags`` maps tags to
    others, for labels that the recipe's training data does not have. ``skip_empty_tokens`` leaves
    lines without a token out (two lines of MasakhaNER 2); the default refuses them.
    """
    row = 0
    for _, path in in_order(files):
        sentence: _Sentence = []
        for number, line in lines(path):
            if line.startswith(tuple(comments)):
                continue
            if line.strip():
                cells = line.split(separator)
                if len(cells) != columns:
                    raise MalformedFile(
                        path, number, f"has {len(cells)} cells, not {columns}: {line!r:.80}"
                    )
                word = _token(cells[token], path, number, prefixed=prefixed)
                label = cells[tag].strip()
                if not label:
                    raise MalformedFile(path, number, f"no tag: {line!r:.80}")
                if word:
                    sentence.append((word, (tags or {}).get(label, label)))
                elif not skip_empty_tokens:
                    raise MalformedFile(path, number, f"no token: {line!r:.80}")
            elif sentence:
                yield _example(sentence, row)
                sentence, row = [], row + 1
        if sentence:
            yield _example(sentence, row)
            row += 1


def _token(cell: str, path: Path, line: int, *, prefixed: bool) -> str:
    if not prefixed:
        return cell.strip()
    language, colon, word = cell.partition(":")
    if not colon:
        raise MalformedFile(path, line, f"no 'xx:' before the token: {language!r:.80}")
    return word.strip()


def _example(sentence: _Sentence, row: int) -> Example:
    return {
        "id": str(row),
        "tokens": [token for token, _ in sentence],
        "tags": [tag for _, tag in sentence],
    }
