"""Bitext retrieval: Tatoeba (Artetxe and Schwenk 2019) and BUCC 2018 (Zweigenbaum et al. 2018).

Source: XTREME's ``third_party/utils_retrieve.py``, after LASER's ``mine_bitexts.py`` and
``bucc.py``. BUCC: ratio margin over 4 neighbours, greedy one-to-one retrieval ("max"), a score
threshold tuned on the dev pairs and applied to the test pairs.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from xstilts.metrics.accuracy import percentage
from xstilts.metrics.nearest_neighbours import Neighbours, Search, Vectors, nearest, normalise
from xstilts.metrics.summation import harmonic_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence, Set

    from numpy.typing import NDArray

MARGIN_NEIGHBOURS = 4
IdPair = tuple[str, str]


# --- Tatoeba -------------------------------------------------------------------------------------


def nearest_foreign(english: Vectors, foreign: Vectors) -> NDArray[np.int64]:
    """For each English sentence the index of the nearest foreign one; ties: the lowest index.

    XTREME normalises, then searches by L2 distance, which orders as the cosine does. Equal foreign
    rows are compared once, so that rounding cannot choose between copies.
    """
    unit = normalise(foreign.astype(np.float64))
    first: dict[bytes, int] = {}
    for index, row in enumerate(unit):
        first.setdefault(row.tobytes(), index)
    rows = np.fromiter(first.values(), dtype=np.int64)
    best = nearest(normalise(english.astype(np.float64)), unit[rows], 1).row[:, 0]
    chosen: NDArray[np.int64] = rows[best]
    return chosen


def tatoeba_accuracy(
    english: Vectors, foreign: Vectors, gold: Sequence[int] | None = None
) -> float:
    """The percentage of English sentences whose nearest foreign sentence is the gold one.

    ``gold[i]`` is the row of the translation of English sentence i; by default i itself. XTREME's
    release sorts the English sentences: pass the order, or the score is that of a random pairing.
    """
    predicted = nearest_foreign(english, foreign)
    expected = np.arange(len(english)) if gold is None else np.asarray(gold)
    if expected.shape != predicted.shape or not len(predicted):
        raise ValueError(f"{len(predicted)} English sentences but {expected.size} gold indices")
    return percentage(int((predicted == expected).sum()), len(predicted))


# --- BUCC: mining --------------------------------------------------------------------------------


class RowPair(NamedTuple):
    """A candidate pair of rows and its margin."""

    score: float
    source: int
    target: int


class Candidate(NamedTuple):
    """A candidate pair of sentence ids and its margin."""

    score: float
    source: str
    target: str


class Side(NamedTuple):
    """The sentences of one language of a BUCC pair, parallel lists."""

    ids: Sequence[str]
    sentences: Sequence[str]
    vectors: Vectors | Sequence[Vectors]


def mine(
    source: Side,
    target: Side,
    k: int = MARGIN_NEIGHBOURS,
    repeated: Literal["drop", "product"] = "drop",
    search: Search = nearest,
) -> list[Candidate]:
    """Candidate pairs with a positive margin, best first, each sentence text used once.

    A text that occurs more than once has several ids: "drop" leaves it out (XTREME), "product"
    gives all pairs of ids (jiant). ``search`` finds the neighbours. Raises `ValueError` for sides
    whose lists differ in length and for another ``repeated``.
    """
    rows = [_unique(side) for side in (source, target)]
    units = [
        normalise([side.vectors[row] for row in last.values()])
        for side, last in zip((source, target), rows, strict=True)
    ]
    pairs = greedy_one_to_one(
        margin_pairs(search(units[0], units[1], k), search(units[1], units[0], k))
    )
    ids = [_ids(side, last, repeated) for side, last in zip((source, target), rows, strict=True)]
    return [
        Candidate(pair.score, *names)
        for pair in pairs
        if pair.score > 0
        for names in product(ids[0][pair.source], ids[1][pair.target])
    ]


def _unique(side: Side) -> dict[str, int]:
    """Each distinct text in order of first occurrence, with the row of its LAST occurrence."""
    if not len(side.ids) == len(side.sentences) == len(side.vectors):
        raise ValueError(
            f"{len(side.ids)} ids, {len(side.sentences)} sentences, {len(side.vectors)} vectors; "
            "they must be parallel"
        )
    return {sentence: row for row, sentence in enumerate(side.sentences)}


def _ids(side: Side, texts: Iterable[str], repeated: str) -> list[list[str]]:
    by_text: dict[str, list[str]] = {text: [] for text in texts}
    for name, sentence in zip(side.ids, side.sentences, strict=True):
        by_text[sentence].append(name)
    if repeated == "product":
        return list(by_text.values())
    if repeated == "drop":
        return [names if len(names) == 1 else [] for names in by_text.values()]
    raise ValueError(f"repeated={repeated!r}; allowed: drop, product")


def margin_pairs(forward: Neighbours, backward: Neighbours) -> list[RowPair]:
    """The best pair of every source row, then of every target row, by ratio margin.

    The margin of x and y is cos(x, y) over the mean of the average similarity of x to its k
    neighbours and of y to its k neighbours (Artetxe and Schwenk 2019, "ratio"). If that mean is 0
    the margin is undefined, and the pair is ranked last.
    """
    from_sources = _best_margins(forward, backward.similarity.mean(axis=1))
    from_targets = _best_margins(backward, forward.similarity.mean(axis=1))
    return [RowPair(score, row, other) for score, row, other in from_sources] + [
        RowPair(score, other, row) for score, row, other in from_targets
    ]


def _best_margins(neighbours: Neighbours, other_mean: Vectors) -> list[RowPair]:
    own_mean = neighbours.similarity.mean(axis=1, keepdims=True)
    mean = (own_mean + other_mean[neighbours.row]) / 2
    safe = np.where(mean == 0, 1, mean)
    margins = np.where(mean == 0, -np.inf, neighbours.similarity / safe)
    return [
        RowPair(float(margins[row, best]), row, int(neighbours.row[row, best]))
        for row, best in enumerate(margins.argmax(axis=1))
    ]


def greedy_one_to_one(pairs: Iterable[RowPair]) -> list[RowPair]:
    """Take pairs by falling score, each source and target once ("max"); ties: the earlier pair."""
    sources: set[int] = set()
    targets: set[int] = set()
    chosen = []
    for pair in sorted(pairs, key=lambda pair: -pair.score):
        if pair.source not in sources and pair.target not in targets:
            sources.add(pair.source)
            targets.add(pair.target)
            chosen.append(pair)
    return chosen


# --- BUCC: threshold and score -------------------------------------------------------------------


class PairScore(NamedTuple):
    """Over unique pairs, in percent."""

    f1: float
    precision: float
    recall: float


def tune_threshold(candidates: Collection[Candidate], gold: Set[IdPair]) -> float:
    """The score threshold with the best F1: midway between the last pair kept and the next.

    Tune on the dev pairs, apply to the test pairs. If the best is to keep all candidates, the
    threshold is the last score (LASER's and XTREME's scripts raise an IndexError there). If no
    candidate is right, it is 0.0.
    """
    if not gold:
        raise ValueError("no gold pairs; give at least one")
    ordered = sorted(candidates, key=lambda candidate: -candidate.score)
    best, threshold, correct = 0.0, 0.0, 0
    for number, candidate in enumerate(ordered, start=1):
        correct += (candidate.source, candidate.target) in gold
        f1 = harmonic_mean(correct / number, correct / len(gold))
        if f1 > best:
            following = ordered[number] if number < len(ordered) else candidate
            best, threshold = f1, (candidate.score + following.score) / 2
    return threshold


def extract(candidates: Iterable[Candidate], threshold: float) -> set[IdPair]:
    """The pairs that score at least the threshold."""
    return {(c.source, c.target) for c in candidates if c.score >= threshold}


def pair_score(gold: Iterable[IdPair], predicted: Iterable[IdPair]) -> PairScore:
    """F1, precision and recall over unique id pairs (``bucc_f1`` of ``evaluate.py``).

    >>> pair_score({("de-1", "en-1"), ("de-2", "en-2")}, {("de-1", "en-1"), ("de-2", "en-9")}).f1
    50.0
    """
    gold_pairs, predicted_pairs = set(gold), set(predicted)
    correct = len(gold_pairs & predicted_pairs)
    if not correct:
        return PairScore(0.0, 0.0, 0.0)
    precision, recall = correct / len(predicted_pairs), correct / len(gold_pairs)
    return PairScore(harmonic_mean(precision, recall) * 100, precision * 100, recall * 100)
