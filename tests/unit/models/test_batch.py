"""Batches without padding: every item once, in tensors that can be padded and flattened."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from xstilts.models.batch import Features, batches_by_tokens, one_sequence_instances, pack

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=40)


def features_of(lengths, ids=None) -> Features:
    rng = np.random.default_rng(sum(lengths))
    sequences = [rng.integers(0, 50, n).astype(np.int32) for n in lengths]
    return one_sequence_instances(
        sequences, [max(1, n // 2) for n in lengths], list(range(len(lengths)))
    )


@given(LENGTHS, st.integers(1, 80))
def test_every_item_is_in_exactly_one_batch(lengths, budget):
    """Batches partition the items, whatever the budget."""
    batches = list(batches_by_tokens(np.array(lengths), range(len(lengths)), budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 80))
def test_a_batch_keeps_the_budget_unless_one_item_exceeds_it(lengths, budget):
    """Only an item that alone is too long makes a batch of more tokens than allowed."""
    for batch in batches_by_tokens(np.array(lengths), range(len(lengths)), budget):
        assert sum(lengths[i] for i in batch) <= budget or len(batch) == 1


@given(LENGTHS, st.integers(1, 80))
def test_items_of_like_length_come_together(lengths, budget):
    """Over all batches lengths rise, and items of one length keep their order."""
    order = [
        i for b in batches_by_tokens(np.array(lengths), range(len(lengths)), budget) for i in b
    ]
    assert order == sorted(order, key=lambda i: (lengths[i], i))


@given(LENGTHS, st.randoms())
def test_batches_do_not_depend_on_the_order_of_the_items(lengths, random):
    """The same set of items gives the same batches."""
    items = list(range(len(lengths)))
    shuffled = random.sample(items, len(items))
    cut = [list(batches_by_tokens(np.array(lengths), order, 50)) for order in (items, shuffled)]
    assert cut[0] == cut[1]


@given(LENGTHS)
def test_packing_lays_sequences_end_to_end(lengths):
    """Ids come in order, positions count from 0 in each, types turn 1 at the second text."""
    features = features_of(lengths)
    items = list(reversed(range(len(lengths))))
    batch = pack(features, items)
    assert batch.ids.tolist() == [t for i in items for t in features.sequences[i].tolist()]
    assert batch.positions.tolist() == [p for i in items for p in range(lengths[i])]
    assert batch.types.tolist() == [
        int(p >= features.second_segment_starts[i]) for i in items for p in range(lengths[i])
    ]
    assert batch.first.tolist() == np.cumsum([0, *(lengths[i] for i in items[:-1])]).tolist()
    assert batch.targets == items


@given(LENGTHS)
def test_padding_and_flattening_are_inverse(lengths):
    """`flat` of `padded` is the same tensor, and what is padded holds the fill."""
    batch = pack(features_of(lengths), range(len(lengths)))
    values = torch.arange(1, sum(lengths) * 3 + 1).float().view(-1, 3)
    matrix = batch.padded(values, -7.0)
    assert matrix.shape == (len(lengths), max(lengths), 3)
    assert torch.equal(batch.flat(matrix), values)
    assert int((matrix == -7.0).sum()) == 3 * (max(lengths) * len(lengths) - sum(lengths))
    for row, length in enumerate(lengths):
        assert (matrix[row, length:] == -7.0).all()


def test_sequences_of_one_length_have_no_mask():
    """Nothing is padded, so that attention may take its fastest way."""
    assert pack(features_of([4, 4, 4]), [0, 1, 2]).mask is None
    assert pack(features_of([4, 5]), [0, 1]).mask.tolist() == [[True] * 4 + [False], [True] * 5]


def test_a_batch_on_a_device_is_the_same_batch():
    """Every tensor is moved, in one piece with the others; what is derived is made there."""
    batch = pack(features_of([4, 2, 5]), [2, 0, 1], step_seed=1)
    there = batch.to(torch.device("meta"))
    for name, value in vars(batch).items():
        if isinstance(value, torch.Tensor):
            moved = getattr(there, name)
            assert (moved.device.type, moved.shape, moved.dtype) == (
                "meta",
                value.shape,
                value.dtype,
            )
        else:
            assert getattr(there, name) == value
    assert there.mask.device.type == there.shared_seeds(3).device.type == "meta"
    assert batch.to(torch.device("cpu")) is batch


def test_an_item_brings_all_its_sequences():
    """A multiple choice with three choices is three sequences and one target."""
    sequences = [np.full(n, n, np.int32) for n in (2, 3, 4, 5, 6)]
    starts = np.array([0, 2, 5])
    features = Features(sequences, np.array([2, 3, 4, 5, 6]), starts, np.ones(2), ["two", "three"])
    assert features.lengths().tolist() == [5, 15]
    batch = pack(features, [1])
    assert batch.lengths == [4, 5, 6]
    assert batch.targets == ["three"]


def test_no_features_at_all_have_no_tokens():
    """A language without examples is no special case."""
    empty = one_sequence_instances([], [], [])
    assert len(empty) == 0
    assert empty.lengths().tolist() == []
    assert empty.tokens_used().tolist() == []
