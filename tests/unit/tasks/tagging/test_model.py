"""Tagging: one tag a word, read at the word's first piece; no word is ever lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.models.batch import pack
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.tagging.model import MODEL
from xstilts.tasks.tagging.scoring import SCORING

LABELS = ("O", "B-PER", "I-PER", "B-LOC")


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters")))


def sentence(words, tags=None, name="1"):
    return {"id": name, "tokens": list(words), "tags": tags or ["O"] * len(words)}


def encoded(rows, tokenizer, training=False, max_length=16, labels=LABELS):
    limits = tiny.hyperparameters(max_length=max_length)
    return MODEL.encode(rows, EncodingContext(tokenizer, labels, limits, training=training))


def perfect(features, labels=LABELS):
    return [np.eye(len(labels))[tags] for _, _, tags in features.targets]


SENTENCES = st.lists(
    st.lists(
        st.tuples(st.text("abc ", max_size=20), st.sampled_from(LABELS)), min_size=1, max_size=12
    ),
    min_size=1,
    max_size=4,
)


@given(drawn=SENTENCES)
def test_every_word_of_every_sentence_is_scored(letters, drawn):
    """Perfect outputs give every gold tag back, whatever was split, empty or too long."""
    rows = [
        sentence([w for w, _ in words], [t for _, t in words], str(i))
        for i, words in enumerate(drawn)
    ]
    features = encoded(rows, letters)
    predictions = MODEL.decode(rows, features, perfect(features), LABELS, "span_f1")
    assert [p["prediction"] for p in predictions] == [r["tags"] for r in rows]
    n, metrics = SCORING.score(rows, predictions, "token_accuracy", "en")
    assert (n, metrics) == (len(rows), {"accuracy": 100.0})


@given(drawn=SENTENCES)
def test_items_are_runs_of_whole_words_that_fit(letters, drawn):
    """No item is longer than allowed, and the words lie in it one after the other."""
    rows = [sentence([w for w, _ in words], name=str(i)) for i, words in enumerate(drawn)]
    features = encoded(rows, letters)
    assert all(len(s) <= 16 for s in features.sequences)
    assert sum(len(places) for _, places, _ in features.targets) == sum(map(len, drawn))
    assert features.weights.tolist() == [len(places) for _, places, _ in features.targets]


def test_a_word_is_read_at_its_first_piece(letters):
    """Places point into the sequence, the leading <s> included."""
    features = encoded([sentence(["ab", "c", "def"])], letters)
    assert features.sequences[0].tolist() == [0, 4, 5, 6, 7, 8, 9, 2]
    assert features.targets[0][1].tolist() == [1, 3, 4]


def test_a_word_without_pieces_is_unknown(letters):
    """It is read as <unk>, and tagged."""
    features = encoded([sentence(["a", " ", "b"])], letters)
    assert features.sequences[0].tolist() == [0, 4, 3, 5, 2]


def test_a_word_longer_than_a_sequence_is_unknown(letters):
    """As in XTREME's preprocessing; such words are counted."""
    features = encoded([sentence(["a", "b" * 14, "b" * 15])], letters)
    assert [s.tolist() for s in features.sequences] == [[0, 4, 2], [0, *[5] * 14, 2], [0, 3, 2]]
    assert features.counts == {"unknown_words": 1, "split": 1}


def test_a_long_sentence_is_split_at_words(letters):
    """Runs are as long as they can be; a sentence that was split counts once."""
    features = encoded([sentence(["abcde"] * 5), sentence(["a"], name="2")], letters)
    assert [len(places) for _, places, _ in features.targets] == [2, 2, 1, 1]
    assert features.counts == {"split": 1}


def test_runs_are_joined_in_the_sentences_order(letters):
    """Tags of several runs come back as one list of the words' order."""
    rows = [sentence(["abcdefg"] * 3, ["B-PER", "I-PER", "B-LOC"])]
    features = encoded(rows, letters)
    assert len(features) == 2
    (row,) = MODEL.decode(rows, features, perfect(features), LABELS, "span_f1")
    assert row == {"id": "1", "prediction": rows[0]["tags"], "gold": rows[0]["tags"]}


def test_on_a_tie_the_first_tag_is_taken(letters):
    """As numpy's argmax does."""
    rows = [sentence(["a"])]
    (row,) = MODEL.decode(
        rows, encoded(rows, letters), [np.array([[0, 1.0, 1.0, 0]])], LABELS, "span_f1"
    )
    assert row["prediction"] == ["B-PER"]


@pytest.mark.parametrize(
    ("scorer", "metrics"),
    [
        ("span_f1", {"f1", "precision", "recall"}),
        ("chunk_f1_upos", {"f1", "precision", "recall", "accuracy"}),
        ("token_accuracy", {"accuracy"}),
    ],
)
def test_each_scorer_has_its_metrics(scorer, metrics, letters):
    """All are 100 for perfect predictions, and they are the ones that the scorer promises."""
    rows = [sentence(["a", "b"], ["B-PER", "I-PER"])]
    predictions = [{"id": "1", "prediction": ["B-PER", "I-PER"]}]
    n, found = SCORING.score(rows, predictions, scorer, "en")
    assert n == 1
    assert found == dict.fromkeys(metrics, 100.0)
    assert set(MODEL.schema.scorers[scorer]) == metrics


def test_equal_neighbouring_pos_tags_are_one_chunk():
    """The official F1 of UD-POS merges runs; the accuracy beside it does not."""
    rows = [sentence("abcd", ["NOUN", "NOUN", "NOUN", "VERB"])]
    predictions = [{"id": "1", "prediction": ["NOUN", "ADJ", "NOUN", "VERB"]}]
    _, found = SCORING.score(rows, predictions, "chunk_f1_upos", "en")
    assert found["f1"] == pytest.approx(100 / 3)
    assert found["accuracy"] == 75.0


def test_the_head_reads_the_words_first_pieces(letters):
    """One row of scores a word, the words of all items one after the other, as `outputs` cuts."""
    features = encoded([sentence(["ab", "c"]), sentence(["de"], name="2")], letters)
    batch = pack(features, [1, 0])
    head = MODEL.head(4, LABELS).eval()
    hidden = torch.randn(len(batch.ids), 4)
    scores = head(hidden, batch)
    torch.testing.assert_close(scores, head.token.out(hidden[[1, 4 + 1, 4 + 3]]))
    assert [o.shape for o in MODEL.outputs(scores.detach(), batch)] == [(1, 4), (2, 4)]


def test_training_leaves_out_what_has_no_tags(letters):
    """They are counted; evaluation reads them all the same."""
    rows = [sentence(["a"]), sentence(["b"], name="2") | {"tags": None}]
    features = encoded(rows, letters, training=True)
    assert len(features) == 1
    assert features.counts == {"unlabelled": 1}
    assert len(encoded(rows, letters)) == 2


def test_a_tag_that_was_never_taught_is_an_error_of_the_prediction(letters):
    """Dates for a model that learnt from PAN-X: they count as missed."""
    rows = [sentence(["ab", "c"], ["B-DATE", "B-PER"])]
    features = encoded(rows, letters)
    outputs = [np.asarray([[9, 0, 0, 0], [0, 9, 0, 0]])]
    decoded = MODEL.decode(rows, features, outputs, LABELS, "span_f1")
    assert SCORING.score(rows, decoded, "span_f1", "sw")[1]["recall"] == 50.0
