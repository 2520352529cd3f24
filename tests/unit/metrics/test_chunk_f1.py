"""Chunk F1 of tagging: seqeval 0.0.12."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.metrics.chunk_f1 import chunk_score, chunks, token_accuracy

UPOS = [
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
]
IOB = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]


def corpora(labels):
    """Lists of sentences."""
    return st.lists(st.lists(st.sampled_from(labels), min_size=1, max_size=8), min_size=1)


def paired(labels):
    """Lists of sentences of (gold, predicted) labels, at least one token."""
    label = st.sampled_from(labels)
    return st.lists(st.lists(st.tuples(label, label), min_size=1, max_size=8), min_size=1)


def unzip(pairs):
    """Gold and predicted sentences."""
    return [[[pair[side] for pair in sentence] for sentence in pairs] for side in (0, 1)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("I-PER I-PER", [("PER", 0, 1)]),
        ("O I-PER", [("PER", 1, 1)]),
        ("B-PER I-ORG", [("PER", 0, 0), ("ORG", 1, 1)]),
        ("B-PER B-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("I-PER B-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("B-PER S-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("S-PER I-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        ("B-PER E-PER I-PER", [("PER", 0, 1), ("PER", 2, 2)]),
        ("NOUN NOUN NOUN VERB", [("NOUN", 0, 2), ("VERB", 3, 3)]),
        ("SCONJ SCONJ SYM", [("SCONJ", 0, 0), ("SCONJ", 1, 1), ("SYM", 2, 2)]),
        ("CCONJ SCONJ", [("CCONJ", 0, 0), ("SCONJ", 1, 1)]),
        ("INTJ INTJ", [("INTJ", 0, 1)]),
    ],
)
def test_chunks_table(labels, expected):
    """Chunks are read leniently; equal part-of-speech labels in a row are one, S-labels are not."""
    assert chunks([labels.split()]) == expected


def test_chunks_do_not_cross_sentences():
    """An O stands between sentences and takes one position."""
    assert chunks([["NOUN"], ["NOUN", "I-X"]]) == [("NOUN", 0, 0), ("NOUN", 2, 2), ("X", 3, 3)]


@pytest.mark.parametrize(
    ("gold", "predicted", "f1", "precision", "recall"),
    [
        ("NOUN NOUN NOUN VERB", "NOUN ADJ NOUN VERB", 100 / 3, 25.0, 50.0),
        ("B-PER I-PER O", "B-PER I-PER O", 100.0, 100.0, 100.0),
        ("B-PER I-PER O", "B-PER O O", 0.0, 0.0, 0.0),
        ("O O", "O O", 0.0, 0.0, 0.0),
        ("B-PER O", "O O", 0.0, 0.0, 0.0),
        ("B-PER", "I-PER", 100.0, 100.0, 100.0),
        ("CCONJ VERB", "SCONJ VERB", 50.0, 50.0, 50.0),
    ],
)
def test_score_table(gold, predicted, f1, precision, recall):
    """F1 counts exact chunks and is 0 where it is undefined; CCONJ is not SCONJ."""
    score = chunk_score([gold.split()], [predicted.split()])
    assert score == pytest.approx((f1, precision, recall), rel=1e-15)


def test_conjunctions_keep_their_first_letter():
    """A confused CCONJ costs F1 (0.667), where seqeval 0.0.19 and later give 1.0."""
    gold, predicted = [["CCONJ", "NOUN", "VERB"]], [["SCONJ", "NOUN", "VERB"]]
    assert chunk_score(gold, predicted).f1 == pytest.approx(200 / 3)


@given(corpora([label for label in UPOS if label[0] not in "SI"]))
def test_upos_chunks_are_runs(sentences):
    """Without S- and I-labels, chunks of part-of-speech labels are the runs of equal labels."""
    runs, start = [], 0
    for sentence in sentences:
        for label, group in groupby(sentence):
            size = len(list(group))
            runs.append((label, start, start + size - 1))
            start += size
        start += 1
    assert chunks(sentences) == runs


@given(st.lists(st.lists(st.tuples(st.sampled_from(["O", "PER", "LOC"]), st.integers(1, 3)))))
def test_well_formed_iob2_gives_its_entities(sentences):
    """From labels that entities wrote in IOB2, the same entities come back."""
    labels, entities, position = [], [], 0
    for sentence in sentences:
        row = []
        for kind, size in sentence:
            if kind != "O":
                entities.append((kind, position, position + size - 1))
            row += ["O"] * size if kind == "O" else [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
            position += size
        labels.append(row)
        position += 1
    assert chunks(labels) == entities


@given(paired(IOB + UPOS))
def test_score_swaps_with_its_sides(pairs):
    """Scores lie in 0..100; swapping gold and prediction swaps precision and recall."""
    gold, predicted = unzip(pairs)
    score, swapped = chunk_score(gold, predicted), chunk_score(predicted, gold)
    assert all(0 <= value <= 100.00000000000001 for value in score)
    assert (score.precision, score.recall) == (swapped.recall, swapped.precision)
    assert score.f1 == pytest.approx(swapped.f1)


@given(paired(UPOS), st.randoms())
def test_order_of_sentences_does_not_matter(pairs, random):
    """Scores do not depend on the order of the sentences."""
    before = chunk_score(*unzip(pairs)), token_accuracy(*unzip(pairs))
    random.shuffle(pairs)
    assert (chunk_score(*unzip(pairs)), token_accuracy(*unzip(pairs))) == before


@given(corpora(UPOS))
def test_perfect_prediction(sentences):
    """A perfect prediction of part-of-speech labels scores 100 everywhere."""
    assert chunk_score(sentences, sentences) == (100.0, 100.0, 100.0)
    assert token_accuracy(sentences, sentences) == 100.0


def test_token_accuracy():
    """Token accuracy counts tokens, not sentences: 3 of 4."""
    assert token_accuracy([["NOUN", "NOUN", "NOUN"], ["VERB"]], [["NOUN"] * 3, ["AUX"]]) == 75.0


@pytest.mark.parametrize("metric", [chunk_score, token_accuracy])
def test_lengths_are_checked(metric):
    """A missing sentence or tag is named, not shifted over."""
    with pytest.raises(ValueError, match=r"^2 gold sentences but 1 predicted$"):
        metric([["O"], ["O"]], [["O"]])
    with pytest.raises(ValueError, match=r"^sentence 2: 2 gold labels but 1 predicted$"):
        metric([["O"], ["O", "O"]], [["O"], ["O"]])


def test_empty_labels_are_refused():
    """An empty label has no first letter and is named with its place."""
    with pytest.raises(ValueError, match=r"^sentence 2: empty label at token 1$"):
        chunks([["O"], ["", "O"]])
    with pytest.raises(ValueError, match=r"^no labels to score; give at least one$"):
        token_accuracy([], [])
