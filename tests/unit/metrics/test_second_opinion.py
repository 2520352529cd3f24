"""Our metrics against independent, maintained implementations, on random cases.

seqeval, scikit-learn and torchmetrics are in the group ``dev`` for these tests alone.
"""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest
import seqeval.metrics as seqeval
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB2
from sklearn import metrics as sklearn
from sklearn.neighbors import NearestNeighbors
from torchmetrics.functional.text import squad as torchmetrics_squad

from xstilts.metrics.accuracy import accuracy
from xstilts.metrics.bitext import Candidate, nearest_foreign, pair_score, tune_threshold
from xstilts.metrics.chunk_f1 import (
    chunk_score,
    chunks,
    seqeval_chunks,
    strict_chunks,
    token_accuracy,
)
from xstilts.metrics.question_answering import squad
from xstilts.metrics.ranking import average_precision

TYPES = ["PER", "ORG", "person-other", "location-other"]
IOB = ["O", *(f"{tag}-{kind}" for kind in TYPES for tag in "BI")]
IOBES = [*IOB, *(f"{tag}-{kind}" for kind in TYPES for tag in "ES")]


def paired(labels, most=8):
    """Lists of sentences of (gold, predicted) labels."""
    label = st.sampled_from(labels)
    sentence = st.lists(st.tuples(label, label), min_size=1, max_size=most)
    return st.lists(sentence, min_size=1, max_size=6).map(
        lambda pairs: [[[pair[side] for pair in words] for words in pairs] for side in (0, 1)]
    )


def by_seqeval(gold, predicted, **mode):
    """F1, precision and recall in per cent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels of another form, of divisions by zero
        scores = (
            function(gold, predicted, zero_division=0, **mode)
            for function in (seqeval.f1_score, seqeval.precision_score, seqeval.recall_score)
        )
        return [100 * value for value in scores]


@settings(max_examples=300)
@given(paired(IOBES))
def test_chunks_in_the_default_mode(sides):
    assert list(chunk_score(*sides, seqeval_chunks)) == pytest.approx(by_seqeval(*sides))


@settings(max_examples=300)
@given(paired(IOB))
def test_chunks_in_the_strict_mode(sides):
    """Under IOB2, where an I that continues nothing is in no chunk."""
    expected = by_seqeval(*sides, mode="strict", scheme=IOB2)
    assert list(chunk_score(*sides, strict_chunks)) == pytest.approx(expected)


@settings(max_examples=100)
@given(paired(["O", *(f"{tag}-{kind}" for kind in ("PER", "ORG") for tag in "BI")]))
def test_chunks_of_xtreme_where_types_have_no_hyphen(sides):
    """There the two versions of seqeval agree, and so do our two rules."""
    assert list(chunk_score(*sides, chunks)) == pytest.approx(by_seqeval(*sides))


@given(st.lists(st.tuples(*2 * [st.sampled_from("abc")]), min_size=1))
def test_accuracy(pairs):
    gold, predicted = map(list, zip(*pairs, strict=True))
    expected = 100 * sklearn.accuracy_score(gold, predicted)
    assert accuracy(gold, predicted) == pytest.approx(expected)
    assert token_accuracy([gold], [predicted]) == pytest.approx(expected)


IDS = st.sampled_from("abcdef")


@given(st.sets(st.tuples(IDS, IDS), min_size=1), st.sets(st.tuples(IDS, IDS), min_size=1))
def test_f1_over_pairs(gold, predicted):
    universe = sorted(gold | predicted)
    sides = [[pair in side for pair in universe] for side in (gold, predicted)]
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
        *sides, average="binary", zero_division=0
    )
    expected = [100 * value for value in (f1, precision, recall)]
    assert list(pair_score(gold, predicted)) == pytest.approx(expected)


@given(
    st.lists(
        st.tuples(st.integers(-999, 999), st.booleans()), max_size=30, unique_by=lambda x: x[0]
    )
)
def test_the_threshold_of_mined_pairs_has_the_best_f1_of_the_curve(scored):
    """Of different scores: the official script also cuts between equal ones."""
    if not any(right for _, right in scored):
        return
    mined = [Candidate(score, str(i), str(i)) for i, (score, _) in enumerate(scored)]
    gold = {(str(i), str(i)) for i, (_, right) in enumerate(scored) if right}
    threshold = tune_threshold(mined, gold)
    kept = [(c.source, c.target) for c in mined if c.score >= threshold]
    precision, recall, _ = sklearn.precision_recall_curve(
        [right for _, right in scored], [score for score, _ in scored]
    )
    best = max(2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True) if p + r)
    assert pair_score(gold, kept).f1 == pytest.approx(100 * best)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_the_nearest_sentence(seed, queries, candidates):
    drawn = np.random.default_rng(seed).normal(size=(queries + candidates, 5))
    english, foreign = drawn[:queries], drawn[queries:]
    search = NearestNeighbors(n_neighbors=1, metric="cosine").fit(foreign)
    expected = search.kneighbors(english, return_distance=False)[:, 0]
    assert nearest_foreign(english, foreign).tolist() == expected.tolist()


@given(st.permutations(list("abcdefghij")), st.sets(st.sampled_from("abcdefghij"), min_size=1))
def test_average_precision_of_a_whole_ranking(ranked, relevant):
    """scikit-learn has no cutoff: the ranking is shorter than ours."""
    places = np.arange(len(ranked), 0, -1)
    expected = sklearn.average_precision_score([name in relevant for name in ranked], places)
    assert average_precision(ranked, relevant) == pytest.approx(expected)


WORDS = st.sampled_from(["the", "a", "Cat", "cat", "sat.", "on", "MAT", "été", "東京", "(mat)"])
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@settings(max_examples=200)
@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_answers_of_squad(answered):
    """But for texts that are empty in normal form: torchmetrics has a rule of its own."""
    texts = [text for predicted, golds in answered for text in (predicted, *golds)]
    if any(not set(text.lower().split()) - {"the", "a"} for text in texts):
        return
    predicted = [{"id": str(i), "prediction_text": text} for i, (text, _) in enumerate(answered)]
    target = [
        {"id": str(i), "answers": {"text": golds, "answer_start": [0] * len(golds)}}
        for i, (_, golds) in enumerate(answered)
    ]
    expected = torchmetrics_squad(predicted, target)
    ours = squad(
        {str(i): golds for i, (_, golds) in enumerate(answered)},
        {str(i): text for i, (text, _) in enumerate(answered)},
    )
    assert ours.exact_match == pytest.approx(float(expected["exact_match"]), rel=1e-5)
    assert ours.f1 == pytest.approx(float(expected["f1"]), rel=1e-5)
    assert Counter(type(value) for value in ours) == {float: 2}
