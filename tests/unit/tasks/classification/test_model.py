"""Classification: a text or a pair becomes one sequence, and a class."""

from __future__ import annotations

import numpy as np
import pytest

from support import tiny
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.classification.model import MODEL
from xstilts.tasks.classification.scoring import SCORING

LABELS = ("yes", "no", "maybe")


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters"), second_type=1))


def example(text="ab", pair=None, label="no", name="1"):
    return {"id": name, "text": text, "text_pair": pair, "label": label}


def encoded(rows, tokenizer, training=False, max_length=16):
    limits = tiny.hyperparameters(max_length=max_length)
    return MODEL.encode(rows, EncodingContext(tokenizer, LABELS, limits, training=training))


def test_perfect_outputs_score_100(letters):
    """Class scores that are highest at the gold label decode to it."""
    rows = tiny.sentences(20)
    features = encoded(rows, letters)
    outputs = [np.eye(3)[gold] for gold in features.targets]
    predictions = MODEL.decode(rows, features, outputs, LABELS, "accuracy")
    assert [p["prediction"] for p in predictions] == [r["label"] for r in rows]
    assert SCORING.score(rows, predictions, "accuracy", "en") == (20, {"accuracy": 100.0})


def test_wrong_outputs_score_by_their_share(letters):
    """Accuracy is the percentage of right classes over all examples."""
    rows = [example(label="yes"), example(label="no", name="2")]
    predictions = MODEL.decode(
        rows, encoded(rows, letters), [np.array([1.0, 0, 0])] * 2, LABELS, "accuracy"
    )
    assert SCORING.score(rows, predictions, "accuracy", "en") == (2, {"accuracy": 50.0})


def test_on_a_tie_the_first_class_is_taken(letters):
    """As numpy's argmax, and so the official scripts, do."""
    rows = [example()]
    outputs = [np.array([0.0, 2.0, 2.0])]
    (row,) = MODEL.decode(rows, encoded(rows, letters), outputs, LABELS, "accuracy")
    assert row == {"id": "1", "prediction": "no", "gold": "no"}


def test_pairs_and_single_texts_may_be_mixed(letters):
    """Each example has the layout that it needs; types turn 1 at a second text only."""
    rows = [example("ab", "c"), example("d"), example("e", "")]
    features = encoded(rows, letters)
    assert [s.tolist() for s in features.sequences] == [
        [0, 4, 5, 2, 2, 6, 2],
        [0, 7, 2],
        [0, 8, 2, 2, 2],
    ]
    assert features.second_segment_starts.tolist() == [5, 3, 4]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("a" * 20, "b" * 4, (8, 4)), ("a" * 20, "b" * 20, (6, 6)), ("a" * 12, None, (12, 0))],
)
def test_long_pairs_are_cut_longest_first(first, second, expected, letters):
    """Sixteen tokens: twelve for the texts of a pair, fourteen for a single one."""
    (ids,) = encoded([example(first, second)], letters).sequences
    assert ((ids == 4).sum(), (ids == 5).sum()) == expected


def test_cut_examples_are_counted(letters):
    """A text that just fits is not counted; one token more is."""
    rows = [example("a" * 14), example("a" * 15, name="2"), example("a" * 6, "b" * 7, name="3")]
    features = encoded(rows, letters)
    assert features.counts == {"truncated": 2}
    assert max(map(len, features.sequences)) == 16


def test_training_leaves_out_what_has_no_label(letters):
    """They are counted; evaluation keeps them."""
    rows = [example(), example("c", "d", label=None, name="2"), example("e", "f", name="3")]
    features = encoded(rows, letters, training=True)
    assert features.targets == [1, 1]
    assert features.sequences[1].tolist() == [0, 8, 2, 2, 9, 2]
    assert features.counts == {"unlabelled": 1}
    assert len(encoded(rows, letters)) == 3
