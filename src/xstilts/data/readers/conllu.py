"""Universal Dependencies' CoNLL-U as words with their UPOS, the way XTREME makes it a benchmark.

XTREME fuses multiword tokens: a range like ``3-4 al _`` becomes one token ``al``, with the UPOS of
one of its words (ud-conversion-tools, ``--replace_subtokens_with_fused_forms``): of the word
nearest to the root, and among several as near, of the one whose UPOS stands first in a list of
precedence (google-research/xtreme @ 0918248, ``lib/conll.py``, ``conllu_to_conll.py``). Sentences
of treebanks without their text are dropped, and U+200C and spaces inside forms are deleted
(``utils_preprocess.py``). We measure the nearness in the basic tree only; XTREME's tool also
follows enhanced dependencies where a treebank has them.

A treebank may withhold its words for want of a licence (``_`` in the place of each form): its
release says how to merge them into the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.text import in_order, lines, shown, whole_number
from xstilts.errors import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from xstilts.data.readers.remarks import Rows

PRECEDENCE = {
    "es": ("VERB", "AUX", "PRON", "ADP", "DET"),
    "fr": ("VERB", "AUX", "PRON", "NOUN", "ADJ", "ADV", "ADP", "DET", "PART", "SCONJ", "CONJ"),
    "it": ("VERB", "AUX", "ADV", "PRON", "ADP", "DET", "INTJ"),
}
"""Which word gives a fused token its UPOS, by language, as in ``conllu_to_conll.py``."""
# fmt: off
DEFAULT_PRECEDENCE = (
    "VERB", "NOUN", "PROPN", "PRON", "ADJ", "NUM", "ADV", "INTJ",
    "AUX", "ADP", "DET", "PART", "CCONJ", "SCONJ", "X", "PUNCT",
)
# fmt: on
_COLUMNS = 10
_WITHHELD = "_"


class _Word(NamedTuple):
    form: str
    upos: str
    head: int


class _Range(NamedTuple):
    """A multiword token: its last word, its form and its line."""

    last: int
    form: str
    line: int


class _Sentence:
    """The words of a sentence by number, and its multiword tokens by their first word."""

    def __init__(self) -> None:
        self.words: dict[int, _Word] = {}
        self.ranges: dict[int, _Range] = {}


def read(files: Mapping[str, Path], language: str, *, fused: bool = True) -> Rows:
    """Yield one example a sentence, over all parts in the order of their names.

    ``fused: false`` keeps the syntactic words instead of the tokens (UD's own evaluation). A
    sentence's id is its number from 0, counted before any are dropped.
    """
    row = 0
    for _, path in in_order(files):
        for sentence in _sentences(path):
            tokens = list(_tokens(sentence, language) if fused else _words(sentence))
            if tokens and not _without_text(tokens):
                yield {
                    "id": str(row),
                    "tokens": [_clean(form) for form, _ in tokens],
                    "tags": [upos for _, upos in tokens],
                }
            else:
                yield Remark("sentence left out: the treebank withholds its words")
            row += 1


def _sentences(path: Path) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for number, line in lines(path):
        if not line.strip():
            yield from _complete(sentence, path)
            sentence = _Sentence()
        elif not line.startswith("#"):
            _add(sentence, line, path, number)
    yield from _complete(sentence, path)


def _complete(sentence: _Sentence, path: Path) -> Iterator[_Sentence]:
    """The sentence, if it has words; each range must cover words that exist."""
    for first, found in sentence.ranges.items():
        if found.last > len(sentence.words):
            raise MalformedFile(
                path,
                found.line,
                f"the multiword token {first}-{found.last} ends after the last word, "
                f"{len(sentence.words)}",
            )
    if sentence.words:
        yield sentence


def _add(sentence: _Sentence, line: str, path: Path, number: int) -> None:
    cells = line.split("\t")
    if len(cells) != _COLUMNS:
        raise MalformedFile(path, number, f"expected {_COLUMNS} columns, found {len(cells)}")
    identity, form, _, upos, _, _, head, *_ = cells
    try:
        if "." in identity:  # an empty node of the enhanced graph: no word of the sentence
            return
        if "-" in identity:
            first, last = map(_number, identity.split("-"))
            if last < first:
                raise ValueError
            _add_range(sentence, first, _Range(last, form, number), path)
            return
        place = _number(identity)
        above = _number(head) if head != "_" else 0
    except ValueError:
        raise MalformedFile(
            path,
            number,
            "expected the numbers of a word and its head, "
            f"found {shown(identity)} and {shown(head)}",
        ) from None
    if place != len(sentence.words) + 1:
        raise MalformedFile(
            path, number, f"expected word {len(sentence.words) + 1}, found word {place}"
        )
    sentence.words[place] = _Word(form, upos, above)


def _number(text: str) -> int:
    """A number of a word; raises `ValueError`."""
    if (number := whole_number(text)) is None:
        raise ValueError
    return number


def _add_range(sentence: _Sentence, first: int, found: _Range, path: Path) -> None:
    """A range stands before its first word, and ranges do not overlap."""
    covered = max((earlier.last for earlier in sentence.ranges.values()), default=0)
    if first != len(sentence.words) + 1 or first <= covered:
        raise MalformedFile(
            path,
            found.line,
            f"expected a multiword token that begins with word {len(sentence.words) + 1} and lies "
            f"after word {covered}, found {first}-{found.last}",
        )
    sentence.ranges[first] = found


def _words(sentence: _Sentence) -> Iterator[tuple[str, str]]:
    for word in sentence.words.values():
        yield word.form, word.upos


def _tokens(sentence: _Sentence, language: str) -> Iterator[tuple[str, str]]:
    covered = 0
    for place, word in sentence.words.items():
        if place <= covered:
            continue
        if place in sentence.ranges:
            covered, form, _ = sentence.ranges[place]
            yield form, fused_upos(sentence.words, range(place, covered + 1), language)
        else:
            yield word.form, word.upos


def fused_upos(words: Mapping[int, _Word], within: Sequence[int], language: str) -> str:
    """The UPOS of a multiword token that covers the words ``within``."""
    depths = _depths(words, within)
    least = min(depths[place] for place in within)
    nearest = [place for place in within if depths[place] == least]
    order = PRECEDENCE.get(language, DEFAULT_PRECEDENCE)
    rank = {upos: i for i, upos in enumerate(order)}
    return min((words[place].upos for place in nearest), key=lambda u: rank.get(u, len(order)))


def _depths(words: Mapping[int, _Word], within: Sequence[int]) -> dict[int, int]:
    """Steps to the root of the words ``within`` and of those above them.

    A cycle, which valid trees do not have, is farther than any root.
    """
    depths: dict[int, int] = {}
    for start in within:
        place, path = start, []
        while place in words and place not in depths:
            depths[place] = len(words) + 1  # unless a root ends the path
            path.append(place)
            place = words[place].head
        above = depths.get(place, 0)
        for steps, passed in enumerate(reversed(path), 1):
            depths[passed] = min(above + steps, len(words) + 1)
    return depths


def _without_text(tokens: list[tuple[str, str]]) -> bool:
    """Whether all forms but at most one are withheld, as XTREME tests it."""
    return sum(form == _WITHHELD for form, _ in tokens) >= max(len(tokens) - 1, 1)


def _clean(form: str) -> str:
    return form.replace("\u200c", "").replace(" ", "")
