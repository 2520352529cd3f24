"""Tatoeba and BUCC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xstilts.metrics.bitext import (
    Candidate,
    RowPair,
    Side,
    extract,
    greedy_one_to_one,
    margin_pairs,
    mine,
    nearest_foreign,
    pair_score,
    tatoeba_accuracy,
    tune_threshold,
)
from xstilts.metrics.nearest_neighbours import Neighbours, normalise

CORNERS = np.eye(3, dtype=np.float32)


# --- Tatoeba -------------------------------------------------------------------------------------


def test_tatoeba_asks_in_english():
    """English sentences are the queries: two of them may find the same foreign sentence."""
    english = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    foreign = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 5.0]])
    assert nearest_foreign(english, foreign).tolist() == [0, 0, 2]
    assert tatoeba_accuracy(english, foreign) == 2 / 3 * 100


def test_tatoeba_ties_go_to_the_lowest_row():
    """Of equal foreign sentences the first is found, so the second copy is an error."""
    foreign = CORNERS[[0, 1, 1, 2, 0]]
    assert nearest_foreign(foreign, foreign).tolist() == [0, 1, 1, 3, 0]
    assert tatoeba_accuracy(foreign, foreign) == 60.0


def test_tatoeba_gold_order():
    """With sorted English sentences the gold rows are given."""
    assert tatoeba_accuracy(CORNERS[[2, 0, 1]], CORNERS, [2, 0, 1]) == 100.0
    assert tatoeba_accuracy(CORNERS[[2, 0, 1]], CORNERS) == 0.0


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0.1, 100))
def test_tatoeba_of_itself(count, seed, scale):
    """Distinct random vectors find themselves, whatever the scale; L2 and cosine agree."""
    vectors = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    assert tatoeba_accuracy(vectors * np.float32(scale), vectors) == 100.0
    other = np.random.default_rng(seed + 1).standard_normal((count, 8))
    unit, other_unit = normalise(vectors.astype(np.float64)), normalise(other)
    distance = ((unit[:, None] - other_unit[None]) ** 2).sum(-1)
    assert nearest_foreign(vectors, other).tolist() == distance.argmin(1).tolist()


def test_tatoeba_errors():
    """Gold rows must be as many as English sentences."""
    with pytest.raises(ValueError, match=r"^3 English sentences but 2 gold indices$"):
        tatoeba_accuracy(CORNERS, CORNERS, [0, 1])


# --- BUCC ----------------------------------------------------------------------------------------


def test_margin_by_hand():
    """The margin is the cosine over the mean of both neighbourhoods' means."""
    forward = Neighbours(np.array([[0.8, 0.6]]), np.array([[0, 1]]))
    backward = Neighbours(np.array([[0.8], [0.6]]), np.array([[0], [0]]))
    pairs = margin_pairs(forward, backward)
    assert [pair[1:] for pair in pairs] == [(0, 0), (0, 0), (0, 1)]
    assert [pair.score for pair in pairs] == pytest.approx([0.8 / 0.75, 0.8 / 0.75, 0.6 / 0.65])


def test_greedy_one_to_one():
    """The best pair comes first, and each side is used once."""
    pairs = [RowPair(1.0, 0, 0), RowPair(1.2, 0, 1), RowPair(1.1, 1, 1), RowPair(0.9, 1, 0)]
    assert greedy_one_to_one(pairs) == [RowPair(1.2, 0, 1), RowPair(0.9, 1, 0)]


@given(
    st.lists(st.builds(RowPair, st.integers(0, 9).map(float), st.integers(0, 4), st.integers(0, 4)))
)
def test_greedy_is_one_to_one_and_maximal(pairs):
    """No row is used twice, and every pair left out shares a row with one at least as good."""
    chosen = greedy_one_to_one(pairs)
    assert len({p.source for p in chosen}) == len({p.target for p in chosen}) == len(chosen)
    for pair in pairs:
        rivals = [c for c in chosen if c.source == pair.source or c.target == pair.target]
        assert any(rival.score >= pair.score for rival in rivals)


def side(prefix, sentences, vectors):
    """A side with numbered ids."""
    return Side([f"{prefix}-{i}" for i in range(len(sentences))], sentences, vectors)


def test_mine_finds_translations():
    """Equal vectors pair up, best first."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((10, 16)).astype(np.float32)
    german = side("de", [f"Satz {i}" for i in range(10)], vectors)
    english = side("en", [f"sentence {i}" for i in range(10)], vectors[::-1].copy())
    found = mine(german, english)
    scores = [candidate.score for candidate in found]
    assert {(f"de-{i}", f"en-{9 - i}") for i in range(10)} <= extract(found, 0.0)
    assert scores == sorted(scores, reverse=True)


def test_pairs_without_a_positive_margin_are_dropped():
    """Sentences at right angles have no margin and make no pair."""
    assert mine(side("de", ["a"], CORNERS[:1]), side("en", ["x"], CORNERS[1:2])) == []


def test_mine_with_repeated_sentences():
    """A repeated text takes its last vector; its ids are dropped, or all used."""
    german = side("de", ["a", "b", "a"], CORNERS[[2, 1, 0]])
    english = side("en", ["x", "y", "z"], CORNERS)
    assert extract(mine(german, english), 0.0) == {("de-1", "en-1")}
    product = extract(mine(german, english, repeated="product"), 0.0)
    assert product >= {("de-0", "en-0"), ("de-2", "en-0"), ("de-1", "en-1")}


def test_mine_errors():
    """Lists that are not parallel, and unknown ways with repeats, are refused."""
    with pytest.raises(ValueError, match=r"^1 ids, 2 sentences, 3 vectors; they must be parallel$"):
        mine(Side(["a"], ["x", "y"], CORNERS), Side(["a"], ["x"], CORNERS[:1]))
    one = side("de", ["a"], CORNERS[:1])
    with pytest.raises(ValueError, match=r"^repeated='keep'; allowed: drop, product$"):
        mine(one, one, repeated="keep")


def candidates(*rows):
    """Candidates s<i>/t<i> that are right where the flag is set."""
    found = [Candidate(score, f"s{i}", f"t{i}") for i, (score, _) in enumerate(rows)]
    gold = {(f"s{i}", f"t{i}") for i, (_, right) in enumerate(rows) if right}
    return found, gold


def test_threshold_is_a_midpoint():
    """The threshold lies midway between the last pair kept and the next."""
    found, gold = candidates((1.4, True), (1.2, True), (1.0, False))
    assert tune_threshold(found, gold) == (1.2 + 1.0) / 2
    assert extract(found, 1.1) == gold


def test_threshold_at_the_last_item():
    """Where all candidates are kept the threshold is the last score, not an IndexError."""
    found, gold = candidates((1.4, True), (1.2, True))
    assert tune_threshold(found, gold) == 1.2
    assert extract(found, 1.2) == gold


def test_threshold_without_a_right_pair():
    """Without a right candidate, and without candidates, the threshold is 0."""
    found, _ = candidates((1.4, False))
    assert tune_threshold(found, {("s", "t")}) == 0.0
    assert tune_threshold([], {("s", "t")}) == 0.0
    with pytest.raises(ValueError, match=r"^no gold pairs; give at least one$"):
        tune_threshold(found, set())


@given(st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), min_size=1, max_size=8))
def test_threshold_reaches_the_best_f1(rows):
    """With distinct scores no threshold gives a better F1 than the tuned one."""
    assume(len({score for score, _ in rows}) == len(rows))
    found, gold = candidates(*rows)
    gold |= {("never", "found")}
    reached = pair_score(gold, extract(found, tune_threshold(found, gold))).f1
    others = [pair_score(gold, extract(found, score)).f1 for score, _ in rows]
    assert reached == pytest.approx(max(others))


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("a b", "a b", (100.0, 100.0, 100.0)),
        ("a b", "a c", (50.0, 50.0, 50.0)),
        ("a b c d", "a", (40.0, 100.0, 25.0)),
        ("a", "b", (0.0, 0.0, 0.0)),
        ("a", "", (0.0, 0.0, 0.0)),
        ("a", "a a", (100.0, 100.0, 100.0)),  # unique pairs
    ],
)
def test_pair_score(gold, predicted, expected):
    """F1 is over unique pairs and 0 if none is right."""
    sides = [[(name, name) for name in text.split()] for text in (gold, predicted)]
    assert pair_score(*sides) == pytest.approx(expected)
