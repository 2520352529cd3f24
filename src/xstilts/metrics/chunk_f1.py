"""Chunk F1 for tagging: as XTREME counts (seqeval 0.0.12), and as seqeval 1.2.2 does.

A chunk is a maximal run with a type, in the lenient reading of the CoNLL-2000 ``conlleval``
script: ``I-PER`` after ``O`` opens a chunk, ``B-PER I-ORG`` are two. XTREME applies the same rule
to part-of-speech labels, which have no B or I: a run of equal labels is ONE chunk, except for
labels that start with S (SCONJ, SYM), which are single-token chunks.

The two versions differ in the type of a label. 0.0.12 takes what follows the last hyphen, so that
``B-deriv-per`` has the type ``per``; 1.2.2 takes what follows the first letter and its hyphen
(``deriv-per``), so that CCONJ and SCONJ have one type. This is our own code because both are
needed. Which labels a rule can tell apart: `xstilts.tasks.tagging.labels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from xstilts.metrics.accuracy import percentage
from xstilts.metrics.summation import harmonic_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Chunk(NamedTuple):
    """A typed span; positions count over all sentences, with one separator after each."""

    type: str
    start: int
    end: int
    """The last position, inclusive."""


class ChunkScore(NamedTuple):
    """Micro-averaged over chunks, in percent."""

    f1: float
    precision: float
    recall: float


class Rule(Protocol):
    """How chunks are read from label sequences."""

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[Chunk]:
        """The chunks in order."""


def chunk_score(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], rule: Rule | None = None
) -> ChunkScore:
    """Micro F1, precision and recall over chunks, 0 if undefined; the default rule is XTREME's.

    >>> chunk_score([["NOUN", "NOUN", "NOUN", "VERB"]], [["NOUN", "ADJ", "NOUN", "VERB"]]).f1
    33.33333333333333
    """
    check_lengths(gold, predicted)
    read = rule or chunks
    expected, found = set(read(gold)), set(read(predicted))
    correct = len(expected & found)
    precision = correct / len(found) if found else 0.0
    recall = correct / len(expected) if expected else 0.0
    return ChunkScore(harmonic_mean(precision, recall) * 100, precision * 100, recall * 100)


def chunks(sentences: Sequence[Sequence[str]]) -> list[Chunk]:
    """The chunks of XTREME's rule (seqeval 0.0.12 ``get_entities``).

    >>> chunks([["B-PER", "I-PER", "O", "I-LOC"]])
    [Chunk(type='PER', start=0, end=1), Chunk(type='LOC', start=3, end=3)]
    """
    return _lenient_chunks(sentences, lambda label: label.rpartition("-")[2])


def seqeval_chunks(sentences: Sequence[Sequence[str]]) -> list[Chunk]:
    """The chunks of seqeval 1.2.2's default mode, which most papers on other data sets report.

    >>> seqeval_chunks([["B-deriv-per", "I-deriv-per"]])
    [Chunk(type='deriv-per', start=0, end=1)]
    """
    return _lenient_chunks(sentences, lambda label: label[1:].split("-", 1)[-1] or "_")


def strict_chunks(sentences: Sequence[Sequence[str]]) -> list[Chunk]:
    """The chunks of seqeval 1.2.2's strict mode under IOB2: ``B-X`` and the ``I-X`` that follow.

    An ``I-X`` that continues nothing belongs to no chunk.

    >>> strict_chunks([["I-PER", "B-PER", "I-PER", "I-LOC"]])
    [Chunk(type='PER', start=1, end=2)]
    """
    result: list[Chunk] = []
    open_chunk: Chunk | None = None
    for position, label in enumerate(_joined(sentences)):
        tag, _, chunk_type = label.partition("-")
        if open_chunk and tag == "I" and chunk_type == open_chunk.type:
            continue
        if open_chunk:
            result.append(open_chunk._replace(end=position - 1))
        open_chunk = Chunk(chunk_type, position, position) if tag == "B" else None
    return result


def _lenient_chunks(
    sentences: Sequence[Sequence[str]], type_of: Callable[[str], str]
) -> list[Chunk]:
    """The chunks of ``conlleval``'s reading, in which almost any change starts a chunk."""
    result: list[Chunk] = []
    last_tag, last_type, start = "O", "", 0
    for position, label in enumerate(_joined(sentences)):
        tag, chunk_type = label[0], type_of(label)
        if _ends(last_tag, tag, chunk_type != last_type):
            result.append(Chunk(last_type, start, position - 1))
        if _starts(last_tag, tag, chunk_type != last_type):
            start = position
        last_tag, last_type = tag, chunk_type
    return result


def token_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """The percentage of tokens with the gold label: what MasakhaPOS and most POS papers report.

    >>> token_accuracy([["NOUN", "NOUN", "NOUN", "VERB"]], [["NOUN", "ADJ", "NOUN", "VERB"]])
    75.0
    """
    check_lengths(gold, predicted)
    total = sum(map(len, gold))
    if not total:
        raise ValueError("no labels to score; give at least one")
    pairs = zip(gold, predicted, strict=True)
    correct = sum(a == b for g, p in pairs for a, b in zip(g, p, strict=True))
    return percentage(correct, total)


def check_lengths(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    """Raise `ValueError` for unequal lengths.

    seqeval 0.0.12 does not notice them: one missing tag shifts all that follow.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences but {len(predicted)} predicted")
    for number, (wanted, found) in enumerate(zip(gold, predicted, strict=True), start=1):
        if len(wanted) != len(found):
            raise ValueError(
                f"sentence {number}: {len(wanted)} gold labels but {len(found)} predicted"
            )


def _joined(sentences: Sequence[Sequence[str]]) -> Iterator[str]:
    """All labels one after the other, an O after each sentence and one more O at the end."""
    for number, sentence in enumerate(sentences, start=1):
        if "" in sentence:
            raise ValueError(f"sentence {number}: empty label at token {sentence.index('') + 1}")
        yield from sentence
        yield "O"
    yield "O"


def _ends(last_tag: str, tag: str, type_changed: bool) -> bool:
    """Whether a chunk ends between two tags (first letters of labels)."""
    if last_tag in "ES" or (last_tag in "BI" and tag in "BSO"):
        return True
    return last_tag not in "O." and type_changed


def _starts(last_tag: str, tag: str, type_changed: bool) -> bool:
    """Whether a chunk starts at ``tag``."""
    if tag in "BS" or (last_tag in "ESO" and tag in "EI"):
        return True
    return tag not in "O." and type_changed
