"""Which rows of the embedding matrix are in memory, how token ids count in them, their values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from support import tiny
from xstilts.errors import EncoderError
from xstilts.models import checkpoint
from xstilts.models.batch import one_sequence_instances
from xstilts.models.embedding_rows import (
    EmbeddingRows,
    GrownRows,
    StoredEmbeddings,
    UntrainedRows,
)
from xstilts.models.network import weights

EVERY_ROW = torch.arange(tiny.ROWS)
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def features_of(lengths):
    sequences = [np.arange(n, dtype=np.int32) + 3 * i for i, n in enumerate(lengths)]
    return one_sequence_instances(sequences, lengths, list(range(len(lengths))))


def some_stored(token_ids=(3, 5, 40), decay=0.75) -> StoredEmbeddings:
    torch.manual_seed(2)
    return StoredEmbeddings(torch.tensor(token_ids), torch.randn(len(token_ids), 16), decay)


@pytest.fixture
def folder(tmp_path):
    return tiny.encoder(tmp_path / "encoder").parent


# --- numbering -----------------------------------------------------------------------------------


@given(LENGTHS)
def test_numbering_is_undone_by_the_token_ids(lengths):
    """Token ids become indices into the rows that occur; looking them up gives the ids again."""
    features = features_of(lengths)
    rows = EmbeddingRows.of([features])
    occurring = set(np.concatenate(features.sequences).tolist())
    assert rows.token_ids.tolist() == sorted(occurring)
    for ours, theirs in zip(rows.number(features).sequences, features.sequences, strict=True):
        assert rows.token_ids[ours].tolist() == theirs.tolist()


def test_numbering_leaves_the_rest_alone():
    """Targets, weights and counts are those of the features before."""
    features = features_of([3, 5])
    features.counts["truncated"] = 2
    numbered = EmbeddingRows(torch.arange(60)).number(features)
    assert numbered.targets == features.targets
    assert numbered.counts == {"truncated": 2}


def test_rows_of_several_features_are_those_of_all(folder):
    """Sorted, each once; the whole vocabulary is every row of the encoder."""
    rows = EmbeddingRows.of([features_of([2]), features_of([1, 4])])
    assert rows.token_ids.tolist() == [0, 1, 3, 4, 5, 6]
    assert EmbeddingRows.whole_vocabulary(folder).token_ids.tolist() == EVERY_ROW.tolist()


# --- reading -------------------------------------------------------------------------------------


def test_without_a_checkpoint_rows_are_the_encoders(folder):
    """Whichever are asked for."""
    dense = weights.Weights(folder).words(EVERY_ROW)
    token_ids = torch.tensor([2, 7, 50])
    assert torch.equal(EmbeddingRows(token_ids).read(folder, None), dense[token_ids])


def test_stored_rows_are_read_and_the_others_decayed(folder):
    stored = some_stored()
    dense = weights.Weights(folder).words(EVERY_ROW)
    read = EmbeddingRows(torch.tensor([0, 3, 6, 40])).read(folder, stored)
    assert torch.equal(read[[1, 3]], stored.embeddings[[0, 2]])
    assert torch.equal(read[[0, 2]], dense[[0, 6]] * 0.75)


def test_an_encoder_without_word_embeddings_is_refused(folder):
    """The error names the tensor."""
    tensors = load_file(folder / "model.safetensors")
    del tensors[weights.WORD_EMBEDDINGS]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(EncoderError, match=r"embeddings.word_embeddings.weight"):
        EmbeddingRows(EVERY_ROW).read(folder, None)


@pytest.mark.parametrize("token_ids", [[], [0], [70]])
def test_rows_beyond_the_stored_ones_may_be_read(token_ids, folder):
    """None, or some before the first or after the last one."""
    read = EmbeddingRows(torch.tensor(token_ids).long()).read(folder, some_stored())
    assert read.shape == (len(token_ids), 16)


def test_an_encoder_is_given_exactly_the_rows_asked_for(folder):
    """Whatever it had before."""
    encoder = checkpoint.build(folder, None, EmbeddingRows(torch.arange(1)))
    rows = EmbeddingRows(torch.tensor([2, 7, 50]))
    rows.load(encoder, folder, some_stored())
    assert torch.equal(encoder.words.weight, rows.read(folder, some_stored()))
    assert not encoder.words.weight.requires_grad


# --- training ------------------------------------------------------------------------------------


def test_a_second_training_keeps_the_rows_of_the_first():
    """Rows of both; those of the first alone decay like all that did not occur again."""
    start = some_stored(decay=0.5)
    trained = torch.randn(2, 16)
    rows = EmbeddingRows(torch.tensor([5, 9]))
    after = StoredEmbeddings.from_training(rows, trained, 0.25, start)
    assert after.token_ids.tolist() == [3, 5, 9, 40]
    assert after.decay == 0.125
    assert torch.equal(after.embeddings[[1, 2]], trained)
    assert torch.equal(after.embeddings[[0, 3]], start.embeddings[[0, 2]] * 0.25)


@pytest.mark.parametrize("start", [None, some_stored()])
def test_untrained_rows_are_those_of_a_checkpoint_saved_now(start, folder):
    """Bit for bit, whether the start has stored them or not."""
    token_ids = torch.tensor([0, 3, 6, 40])
    rows = EmbeddingRows(torch.tensor([5, 9]))
    after = StoredEmbeddings.from_training(rows, torch.randn(2, 16), 0.3, start)
    untrained = UntrainedRows(folder, start, token_ids).at(0.3)
    assert torch.equal(untrained, EmbeddingRows(token_ids).read(folder, after))


def test_an_encoder_in_training_can_be_lent_more_rows(folder):
    """Inside it has the needed ones, as a checkpoint saved now would have them; then its own."""
    trained, needed = (EmbeddingRows(torch.tensor(ids)) for ids in ([5, 9, 11], [0, 5, 11, 40]))
    encoder = checkpoint.build(folder, None, trained)
    with torch.no_grad():
        encoder.words.weight += 1.0
    own = encoder.words.weight
    after = StoredEmbeddings.from_training(trained, own.detach(), 0.3, None)
    with GrownRows(needed, trained, folder, None).inside(encoder, 0.3):
        assert torch.equal(encoder.words.weight, needed.read(folder, after))
    assert encoder.words.weight is own
