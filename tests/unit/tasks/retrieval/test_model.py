"""Retrieval: sentences are compared by the mean of their tokens' hidden states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.errors import DataError
from xstilts.models.batch import pack
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.retrieval import model as retrieval
from xstilts.tasks.retrieval.model import MODEL
from xstilts.tasks.retrieval.scoring import SCORING


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters")))


def encoded(rows, tokenizer, max_length=16):
    limits = tiny.hyperparameters(max_length=max_length)
    return MODEL.encode(rows, EncodingContext(tokenizer, (), limits, training=False))


def row(name, side, relevant=(), text="a"):
    return {"id": name, "side": side, "text": text, "relevant": list(relevant)}


def test_perfect_vectors_score_100(letters):
    """A query whose candidate has its very vector finds it, up to length."""
    rows = tiny.translations(8)
    vectors = np.random.default_rng(0).normal(size=(8, 5))
    outputs = [*vectors, *(3 * vectors)]
    predictions = MODEL.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert [p["id"] for p in predictions] == [f"q{i}" for i in range(8)]
    assert [p["prediction"] for p in predictions] == [f"c{i}" for i in range(8)]
    assert SCORING.score(rows, predictions, "nearest", "sw") == (8, {"accuracy": 100.0})


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
    predictions = MODEL.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert [(p["id"], p["prediction"], p["gold"]) for p in predictions] == [
        ("a", "x", ["z", "x"]),
        ("b", "x", ["y"]),
    ]
    assert SCORING.score(rows, predictions, "nearest", "sw") == (2, {"accuracy": 50.0})


def test_on_a_tie_the_first_candidate_is_taken(letters):
    """As in faiss: the lowest index."""
    rows = [row("a", "query", ["y"]), row("x", "candidate"), row("y", "candidate")]
    outputs = [np.array([1.0, 1.0])] * 3
    (found,) = MODEL.decode(rows, encoded(rows, letters), outputs, (), "nearest")
    assert found["prediction"] == "x"


def test_vectors_are_means_over_all_tokens_special_ones_too(letters):
    """Padding takes no part, however the sentences are batched."""
    rows = [row("a", "query", text="abcde"), row("b", "candidate", text="f")]
    features = encoded(rows, letters)
    batch = pack(features, [0, 1])
    hidden = torch.randn(len(batch.ids), 4)
    found = MODEL.outputs(MODEL.head(4, ())(hidden, batch), batch)
    np.testing.assert_allclose(found[0], hidden[:7].mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], hidden[7:].mean(0), rtol=1e-5, atol=1e-6)


def test_cut_sentences_are_counted(letters):
    """Sixteen tokens: fourteen of the sentence."""
    rows = [row("a", "query", text="a" * 15), row("b", "candidate", text="b" * 14)]
    features = encoded(rows, letters)
    assert [len(s) for s in features.sequences] == [16, 16]
    assert features.counts == {"truncated": 1}


# --- ranking -------------------------------------------------------------------------------------


def test_twenty_candidates_are_ranked_and_scored_by_average_precision(letters):
    """Best first; several may be right; the mean is over the queries."""
    rows = [row("a", "query", ["c1", "c3"]), row("b", "query", ["c24"])]
    rows += [row(f"c{i}", "candidate") for i in range(25)]
    angles = [0.0, 0.0, *(0.01 * i for i in range(25))]
    outputs = [np.array([np.cos(a), np.sin(a)]) for a in angles]
    predictions = MODEL.decode(rows, encoded(rows, letters), outputs, (), "map20")
    assert predictions[0]["prediction"] == [f"c{i}" for i in range(20)]
    assert SCORING.score(rows, predictions, "map20", "en") == (
        2,
        {"map_at_20": 100 * ((1 / 2 + 2 / 4) / 2 + 0) / 2},
    )


# --- mining --------------------------------------------------------------------------------------


def corpora(n, partners, seed=0):
    """``n`` sentences a side, of which the first ``partners`` have the other's vector, nearly."""
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(n, 16))
    target = rng.normal(size=(n, 16))
    target[:partners] = source[:partners] + 0.05 * rng.normal(size=(partners, 16))
    rows = [
        row(f"x{i}", "query", [f"en{i}"] if i < partners else (), f"x{i}") for i in range(n)
    ] + [row(f"en{i}", "candidate", text=f"e{i}") for i in range(n)]
    return rows, [*source, *target]


def mined(rows, outputs, letters):
    return MODEL.decode(rows, encoded(rows, letters), outputs, (), "bucc")


def test_pairs_are_mined_and_kept_above_the_threshold(letters):
    """Found on one set of sentences, applied to another."""
    dev, test = corpora(40, 10), corpora(60, 12, seed=1)
    threshold = SCORING.choose_threshold(dev[0], mined(*dev, letters))
    found = SCORING.apply_threshold(mined(*test, letters), threshold)
    kept = {(p["id"], p["prediction"]) for p in found if p["kept"]}
    assert kept <= {(f"x{i}", f"en{i}") for i in range(12)}
    assert len(kept) > 8
    assert all((p["score"] >= threshold) == p["kept"] for p in found)
    n, metrics = SCORING.score(test[0], found, "bucc", "de")
    assert (n, metrics["precision"], metrics["recall"]) == (12, 100.0, len(kept) / 12 * 100)


def test_a_threshold_of_other_sentences_may_be_wrong(letters):
    """Nothing of the scored set's gold is used."""
    rows, outputs = corpora(40, 10)
    predictions = mined(rows, outputs, letters)
    for threshold, recall in ((99.0, 0.0), (0.0, 100.0)):
        _, metrics = SCORING.score(
            rows, SCORING.apply_threshold(predictions, threshold), "bucc", "de"
        )
        assert metrics["recall"] == recall
    assert metrics["precision"] < 50


def test_repeated_sentences_are_left_out_of_the_pairs(letters):
    """As XTREME does: their ids are ambiguous."""
    rows, outputs = corpora(20, 5)
    rows[1] = rows[1] | {"text": rows[0]["text"]}
    assert not {"x0", "x1"} & {p["id"] for p in mined(rows, outputs, letters)}


# --- parts ---------------------------------------------------------------------------------------


def test_queries_and_candidates_are_parts_of_their_own():
    """In the order in which they come."""
    rows = [row("x", "candidate"), row("a", "query"), row("y", "candidate")]
    assert MODEL.parts(rows) == [[1], [0, 2]]


@pytest.mark.parametrize("side", ["query", "candidate"])
def test_one_side_alone_is_refused(side, letters):
    """Nothing could be found."""
    rows = [row("a", side)]
    with pytest.raises(DataError, match="at least one query and one candidate"):
        MODEL.decode(rows, encoded(rows, letters), [np.ones(2)], (), "nearest")


def test_the_scorers_are_those_that_cards_may_name(letters):
    """With the metrics that each of them gives."""
    rows, outputs = corpora(12, 4)
    for scorer, metrics in MODEL.schema.scorers.items():
        found = MODEL.decode(rows, encoded(rows, letters), outputs, (), scorer)
        if scorer in SCORING.threshold_scorers:
            found = SCORING.apply_threshold(found, 1.0)
        if scorer == "map20":
            found = [p for p in found if p["gold"]]
        assert tuple(SCORING.score(rows, found, scorer, "de")[1]) == metrics
    with pytest.raises(DataError, match="unknown scorer 'farthest'"):
        MODEL.decode(rows, encoded(rows, letters), outputs, (), "farthest")


class TestTraining:
    def pairs(self, letters):
        rows = [
            row("q1", "query", ["c2", "c9"], "abc"),
            row("q2", "query", ["c1"], "b"),
            row("q3", "query", ["c8"], "c"),
            row("c1", "candidate", text="dd"),
            row("c2", "candidate", text="ee"),
        ]
        limits = tiny.hyperparameters(max_length=16)
        return MODEL.encode(rows, EncodingContext(letters, (), limits, training=True))

    def test_an_item_is_a_query_and_its_first_candidate(self, letters):
        """A query whose candidate is not there is left out, counted."""
        features = self.pairs(letters)
        sequences = [letters.single(letters([text])[0].ids) for text in ("abc", "ee", "b", "dd")]
        assert [s.tolist() for s in features.sequences] == [s.tolist() for s in sequences]
        assert features.instance_offsets.tolist() == [0, 2, 4]
        assert features.targets == ["c2", "c1"]
        assert features.counts == {"without_a_candidate": 1}

    def loss(self, vectors, names):
        class Step:
            targets = names

        return float(MODEL.loss(torch.tensor(vectors), Step()))

    def test_every_other_candidate_of_the_step_is_wrong(self):
        """Softmax over scaled cosines."""
        vectors = [[1.0, 0.0], [3.0, 0.0], [0.8, 0.6], [8.0, 6.0]]  # cosines 1 and 0.8
        one = np.log1p(np.exp(-0.2 * retrieval.SCALE))
        assert self.loss(vectors, ["a", "b"]) == pytest.approx(2 * one, rel=1e-4)

    def test_a_twin_is_not_wrong(self):
        """Two queries of a step may have one and the same right answer."""
        vectors = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
        assert self.loss(vectors, ["a", "a"]) == 0.0
