"""The packed network gives the numbers of transformers' padded one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from xstilts import network
from xstilts.batching import one_sequence_items, pack
from xstilts.errors import EncoderError

WORDS = 40


def folder_of(kind: str, tmp_path, layers: int = 3):
    """A random encoder saved by transformers as an ordinary folder, and that model."""
    import transformers

    classes = {
        "bert": (transformers.BertConfig, transformers.BertModel),
        "xlm-roberta": (transformers.XLMRobertaConfig, transformers.XLMRobertaModel),
    }
    config_class, model_class = classes[kind]
    config = config_class(
        vocab_size=WORDS,
        hidden_size=24,
        num_hidden_layers=layers,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=34,
        type_vocab_size=2 if kind == "bert" else 1,
        pad_token_id=1,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    model = model_class(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    return model


def ours(tmp_path) -> network.Encoder:
    weights = network.Weights(tmp_path)
    encoder = network.Encoder(network.Shape.read(tmp_path), WORDS)
    with torch.no_grad():
        network.load_body(encoder, weights.body())
        encoder.words.weight.copy_(weights.words(torch.arange(WORDS)))
    return encoder.eval()


def some_batch():
    rng = np.random.default_rng(0)
    sequences = [rng.integers(3, WORDS, size=n).astype(np.int32) for n in (5, 12, 1, 9)]
    return pack(one_sequence_items(sequences, [3, 12, 1, 4], [None] * 4), [2, 0, 3, 1]), sequences


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("layer", [None, 0, 2])
def test_hidden_states_are_those_of_transformers(kind, layer, tmp_path):
    """Every token's hidden state, at every layer, is the padded model's to rounding."""
    model = folder_of(kind, tmp_path)
    batch, sequences = some_batch()
    with torch.inference_mode():
        packed = ours(tmp_path)(batch, layer)
    begin = 0
    for number in (2, 0, 3, 1):
        ids = torch.from_numpy(sequences[number].astype(np.int64))[None]
        second = [3, 12, 1, 4][number]
        types = (torch.arange(ids.shape[1]) >= second).long()[None] if kind == "bert" else None
        with torch.inference_mode():
            states = model(ids, token_type_ids=types, output_hidden_states=True).hidden_states
        theirs = states[-1 if layer is None else layer][0]
        torch.testing.assert_close(
            packed[begin : begin + ids.shape[1]], theirs, atol=2e-5, rtol=1e-4
        )
        begin += ids.shape[1]


def test_all_states_come_of_one_pass(tmp_path):
    """The embeddings and every layer, the very tensors that asking for each layer gives."""
    folder_of("bert", tmp_path)
    encoder, (batch, _) = ours(tmp_path), some_batch()
    passes = []
    encoder.layers[0].register_forward_hook(lambda *_: passes.append(1))
    with torch.inference_mode():
        states = list(encoder.states(batch))
        assert len(states) == 4
        assert len(passes) == 1
        for layer, state in enumerate(states):
            assert torch.equal(state, encoder(batch, layer))


def test_a_batch_does_not_mix_its_sequences(tmp_path):
    """A sequence's hidden states do not depend on what else is in the batch."""
    folder_of("bert", tmp_path)
    encoder = ours(tmp_path)
    together, sequences = some_batch()
    alone = pack(one_sequence_items([sequences[1]], [12], [None]), [0])
    with torch.inference_mode():
        a, b = encoder(together), encoder(alone)
    torch.testing.assert_close(a[-12:], b, atol=1e-5, rtol=1e-5)


def test_weights_survive_the_way_there_and_back(tmp_path):
    """What is saved by Hugging Face names is bit for bit what was loaded."""
    folder_of("xlm-roberta", tmp_path)
    weights = network.Weights(tmp_path).body()
    for name, tensor in network.body_tensors(ours(tmp_path)).items():
        assert torch.equal(tensor, weights[name]), name


def test_gradients_are_those_of_transformers(tmp_path):
    """Backward gives the same gradients of the word embeddings."""
    model = folder_of("bert", tmp_path)
    batch, sequences = some_batch()
    encoder = ours(tmp_path)
    encoder(batch).pow(2).sum().backward()
    loss = 0.0
    for number, second in zip(range(4), [3, 12, 1, 4], strict=True):
        ids = torch.from_numpy(sequences[number].astype(np.int64))[None]
        types = (torch.arange(ids.shape[1]) >= second).long()[None]
        loss = loss + model(ids, token_type_ids=types).last_hidden_state.pow(2).sum()
    loss.backward()
    theirs = model.get_input_embeddings().weight.grad
    torch.testing.assert_close(encoder.words.weight.grad, theirs, atol=1e-3, rtol=1e-3)


def test_an_unknown_architecture_is_refused_by_name(tmp_path):
    """The error names the file, the model type and what is allowed."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(EncoderError, match=r"config.json: model_type 't5'.*allowed: bert"):
        network.Shape.read(tmp_path)


def test_a_pickle_is_never_read(tmp_path):
    """A folder with pytorch_model.bin alone is refused."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match="never pickles"):
        network.Weights(tmp_path)


def test_missing_weights_are_named(tmp_path):
    """The error names the tensor that a folder lacks."""
    folder_of("bert", tmp_path)
    tensors = network.Weights(tmp_path).body()
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, tmp_path / "x.safetensors")
    encoder = network.Encoder(network.Shape.read(tmp_path), WORDS)
    with pytest.raises(EncoderError, match=r"lack encoder.layer.1.output.dense.bias"):
        network.load_body(encoder, tensors)


def test_a_sequence_beyond_the_positions_is_refused(tmp_path):
    """An encoder says how long a sequence it takes instead of failing inside torch."""
    folder_of("xlm-roberta", tmp_path)
    batch = pack(one_sequence_items([np.zeros(33, np.int32)], [33], [None]), [0])
    with pytest.raises(EncoderError, match="33 tokens; this encoder takes 32"):
        ours(tmp_path)(batch)
