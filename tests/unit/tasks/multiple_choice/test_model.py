"""Multiple choice: each choice is read after its prompt, and the best scored one is taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.models.batch import pack
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext
from xstilts.tasks.multiple_choice.model import MODEL
from xstilts.tasks.multiple_choice.scoring import SCORING


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Tokenizer:
    return Tokenizer(tiny.tokenizer_file(tmp_path_factory.mktemp("letters"), second_type=1))


def encoded(rows, tokenizer, training=False, max_length=16):
    limits = tiny.hyperparameters(max_length=max_length)
    return MODEL.encode(rows, EncodingContext(tokenizer, (), limits, training=training))


def test_perfect_outputs_score_100(letters):
    """Scores that are highest at the gold choice decode to it, however many choices there are."""
    rows = tiny.choices(12)
    outputs = [np.eye(len(r["choices"]))[r["label"]] for r in rows]
    predictions = MODEL.decode(rows, encoded(rows, letters), outputs, (), "accuracy")
    assert [p["prediction"] for p in predictions] == [r["label"] for r in rows]
    assert SCORING.score(rows, predictions, "accuracy", "en") == (12, {"accuracy": 100.0})


def test_on_a_tie_the_first_choice_is_taken(letters):
    """As in the official script."""
    rows = tiny.choices(1)
    (row,) = MODEL.decode(rows, encoded(rows, letters), [np.array([1.0, 1.0])], (), "accuracy")
    assert row["prediction"] == 0


def test_an_item_owns_one_pair_a_choice(letters):
    """Numbers of choices may differ between the examples of one task."""
    rows = tiny.choices(3)
    features = encoded(rows, letters)
    assert np.diff(features.instance_offsets).tolist() == [2, 3, 4]
    prompt, choice = letters([rows[1]["prompt"], rows[1]["choices"][2]])
    ids, where = letters.pair(prompt.ids, choice.ids)
    assert features.sequences[4].tolist() == ids.tolist()
    assert features.second_segment_starts[4] == where


def test_a_batch_of_different_numbers_of_choices(letters):
    """Every item has as many scores as it has choices, in the batch's own order."""
    features = encoded(tiny.choices(3), letters)
    batch = pack(features, [2, 0, 1])
    head = MODEL.head(8, ()).eval()
    hidden = torch.randn(len(batch.ids), 8)
    scores = head(hidden, batch).detach()
    found = MODEL.outputs(scores, batch)
    assert [len(o) for o in found] == [4, 2, 3]
    assert np.array_equal(np.concatenate(found), head.sentence(hidden, batch).detach().squeeze(-1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_over_the_choices(letters, smoothing):
    """Of each item alone, summed; its gradient as well."""
    batch = pack(encoded(tiny.choices(2), letters), [0, 1])
    scores = torch.tensor([1.0, 3.0, 0.5, -1.0, 2.0], requires_grad=True)
    golds = [gold for gold, _ in batch.targets]
    expected = sum(
        torch.nn.functional.cross_entropy(s[None], torch.tensor([g]), label_smoothing=smoothing)
        for s, g in zip(scores.split([2, 3]), golds, strict=True)
    )
    found = MODEL.loss(scores, batch, smoothing)
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad(loss, scores)[0] for loss in (found, expected))
    torch.testing.assert_close(*gradients)


def test_cut_examples_are_counted_once(letters):
    """However many of an example's choices were cut."""
    rows = [
        tiny.choices(1)[0] | {"prompt": "a" * 20, "choices": ["b", "c" * 9]},
        tiny.choices(1)[0],
    ]
    features = encoded(rows, letters)
    assert features.counts == {"truncated": 1}
    assert max(map(len, features.sequences)) == 16


def test_training_leaves_out_what_has_no_label(letters):
    """With all their choices; they are counted."""
    rows = tiny.choices(3)
    rows[1] |= {"label": None}
    features = encoded(rows, letters, training=True)
    assert np.diff(features.instance_offsets).tolist() == [2, 4]
    assert features.sequences[2].tolist() == encoded(rows, letters).sequences[5].tolist()
    assert features.counts == {"unlabelled": 1}
