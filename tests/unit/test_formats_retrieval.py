"""Retrieval: sentences are compared by the mean of their tokens' hidden states."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from xstilts.batching import pack
from xstilts.formats import retrieval
from xstilts.tokenization import Tokenizer


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters")))


def encoded(rows, tokenizer, max_length=16):
    limits = tiny.hyperparameters(max_length=max_length)
    return retrieval.encode(rows, tokenizer, (), limits, training=False)


def row(name, side, relevant=(), text="a"):
    return {"id": name, "side": side, "text": text, "relevant": list(relevant)}


def test_perfect_vectors_score_100(letters):
    """A query whose candidate has its very vector finds it, up to length."""
    rows = tiny.translations(8)
    vectors = np.random.default_rng(0).normal(size=(8, 5))
    outputs = [*vectors, *(3 * vectors)]
    predictions = retrieval.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert [p["id"] for p in predictions] == [f"q{i}" for i in range(8)]
    assert [p["prediction"] for p in predictions] == [f"c{i}" for i in range(8)]
    assert retrieval.score(rows, predictions, "nearest", "sw") == (8, {"accuracy": 100.0})


def test_ids_not_places_tell_what_is_right(letters):
    """Queries and candidates may be mixed and in any order; several may be right."""
    rows = [
        row("x", "candidate"),
        row("a", "query", ["z", "x"]),
        row("y", "candidate"),
        row("b", "query", ["y"]),
        row("z", "candidate"),
    ]
    outputs = [np.array(v, float) for v in ([1, 0], [1, 0.1], [0, 1], [1, 0], [-1, 0])]
    predictions = retrieval.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert [(p["id"], p["prediction"], p["gold"]) for p in predictions] == [
        ("a", "x", ["z", "x"]),
        ("b", "x", ["y"]),
    ]
    assert retrieval.score(rows, predictions, "nearest", "sw") == (2, {"accuracy": 50.0})


def test_on_a_tie_the_first_candidate_is_taken(letters):
    """As in faiss: the lowest index."""
    rows = [row("a", "query", ["y"]), row("x", "candidate"), row("y", "candidate")]
    outputs = [np.array([1.0, 1.0])] * 3
    (found,) = retrieval.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert found["prediction"] == "x"


def test_vectors_are_means_over_all_tokens_special_ones_too(letters):
    """Padding takes no part, however the sentences are batched."""
    rows = [row("a", "query", text="abcde"), row("b", "candidate", text="f")]
    features = encoded(rows, letters)
    batch = pack(features, [0, 1])
    hidden = torch.randn(len(batch.ids), 4)
    found = retrieval.outputs(retrieval.head(4, ())(hidden, batch), batch)
    np.testing.assert_allclose(found[0], hidden[:7].mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], hidden[7:].mean(0), rtol=1e-5, atol=1e-6)


def test_cut_sentences_are_counted(letters):
    """Sixteen tokens: fourteen of the sentence."""
    rows = [row("a", "query", text="a" * 15), row("b", "candidate", text="b" * 14)]
    features = encoded(rows, letters)
    assert [len(s) for s in features.sequences] == [16, 16]
    assert features.counts == {"truncated": 1}
