"""The packed networks give the numbers of transformers' padded ones."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from support import tiny
from xstilts.config.encoder_card import Architecture
from xstilts.errors import EncoderError
from xstilts.models.batch import one_sequence_instances, pack
from xstilts.models.dropout import AttentionDropout, Dropout
from xstilts.models.network import base, registry
from xstilts.models.network import weights as network_weights
from xstilts.models.network.deberta import log_buckets

WORDS = 40
SMALL: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "pad_token_id": 1,
    "initializer_range": 0.3,
}
ROBERTA = {"max_position_embeddings": 66, "type_vocab_size": 1}
DEBERTA = {
    "max_position_embeddings": 64,
    "relative_attention": True,
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p",
}
MODERN = {"max_position_embeddings": 64, "local_attention": 6, "bos_token_id": 2, "eos_token_id": 2}
MODERN |= {"cls_token_id": 2, "sep_token_id": 2}
BIASES = ("attention_bias", "mlp_bias", "norm_bias")
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("Bert", "bert", {"max_position_embeddings": 64, "type_vocab_size": 2}),
    "xlm-r": ("XLMRoberta", "xlm-roberta", ROBERTA),
    "xlm-r padded by 0": ("XLMRoberta", "xlm-roberta", ROBERTA | {"pad_token_id": 0}),
    "xlm-r xl": ("XLMRobertaXL", "xlm-roberta-xl", ROBERTA),
    "modernbert": ("ModernBert", "modernbert", MODERN),
    "modernbert with biases": ("ModernBert", "modernbert", MODERN | dict.fromkeys(BIASES, True)),
    "modernbert, wide window": ("ModernBert", "modernbert", MODERN | {"local_attention": 128}),
    "deberta": ("DebertaV2", "deberta-v2", DEBERTA | {"position_buckets": 8}),
    "deberta without buckets": (
        "DebertaV2",
        "deberta-v2",
        DEBERTA | {"max_relative_positions": 10, "pos_att_type": ["c2p", "p2c"]},
    ),
}
SECOND = [3, 40, 1, 4]
"""Where the second text of each sequence of `some_batch` begins."""
ORDER = [2, 0, 3, 1]


def folder_of(variant: str, tmp_path):
    """A random encoder saved by transformers as an ordinary folder, and that model."""
    import transformers

    name, _, changes = VARIANTS[variant]
    config = getattr(transformers, f"{name}Config")(**SMALL | changes)
    torch.manual_seed(0)
    pooled = {"add_pooling_layer": False} if "oberta" in name or name == "Bert" else {}
    model = getattr(transformers, f"{name}Model")(config, **pooled).eval()
    with torch.no_grad():  # norms that do nothing would hide a norm in the wrong place
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path)
    return model


def ours(tmp_path) -> base.Encoder:
    weights = network_weights.Weights(tmp_path)
    encoder = registry.blank(tmp_path, WORDS)
    with torch.no_grad():
        network_weights.load_body(encoder, weights.body())
        encoder.words.weight.copy_(weights.words(torch.arange(WORDS)))
    return encoder.eval()


def some_batch(*items: int, step_seed: int | None = None):
    rng = np.random.default_rng(0)
    sequences = [rng.integers(3, WORDS, size=n).astype(np.int32) for n in (5, 40, 1, 9)]
    features = one_sequence_instances(sequences, SECOND, [None] * 4)
    return pack(features, items or ORDER, step_seed=step_seed), sequences


def theirs(model, ids: np.ndarray, second: int) -> tuple[torch.Tensor, ...]:
    """Every hidden state (L, H) of a sequence alone, as transformers gives them."""
    row = torch.from_numpy(ids.astype(np.int64))[None]
    types = {}
    if model.config.model_type == "bert":
        types["token_type_ids"] = (torch.arange(row.shape[1]) >= second).long()[None]
    outputs = model(row, output_hidden_states=True, **types)
    states = list(outputs.hidden_states)
    assert torch.equal(states[-1], outputs.last_hidden_state)
    return tuple(state[0] for state in states)


@pytest.mark.parametrize("variant", VARIANTS)
def test_hidden_states_are_those_of_transformers(variant, tmp_path):
    """Every token's hidden state, at every layer, is the padded model's to rounding."""
    model = folder_of(variant, tmp_path)
    batch, sequences = some_batch()
    with torch.inference_mode():
        packed = list(ours(tmp_path).states(batch))
        alone = [theirs(model, sequences[i], SECOND[i]) for i in ORDER]
    assert len(packed) == SMALL["num_hidden_layers"] + 1
    for layer, state in enumerate(packed):
        expected = torch.cat([states[layer] for states in alone])
        torch.testing.assert_close(state, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sequences_of_one_length_need_no_mask(variant, tmp_path):
    """Without padding the faster way without a mask is taken, with the same numbers."""
    model = folder_of(variant, tmp_path)
    rng = np.random.default_rng(1)
    sequences = [rng.integers(3, WORDS, size=20).astype(np.int32) for _ in range(2)]
    batch = pack(one_sequence_instances(sequences, [20, 20], [None] * 2), [0, 1])
    assert batch.mask is None
    with torch.inference_mode():
        expected = torch.cat([theirs(model, ids, 20)[-1] for ids in sequences])
        torch.testing.assert_close(ours(tmp_path)(batch), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_those_of_transformers(variant, tmp_path):
    """Backward gives the same gradient of every parameter, word embeddings included."""
    model = folder_of(variant, tmp_path)
    batch, sequences = some_batch()
    encoder = ours(tmp_path)
    encoder(batch).pow(2).sum().backward()
    last = [theirs(model, ids, n)[-1] for ids, n in zip(sequences, SECOND, strict=True)]
    torch.cat(last).pow(2).sum().backward()
    expected = {registry.weights._bare(name): p.grad for name, p in model.named_parameters()}
    found = {"words.weight": (encoder.word_embeddings,)} | dict(encoder.names())
    for name, parameter in encoder.named_parameters():
        gradient = torch.cat([expected[part] for part in found[name]])
        torch.testing.assert_close(parameter.grad, gradient, atol=2e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_survive_the_way_there_and_back(variant, tmp_path):
    """What is saved by Hugging Face names is bit for bit what was loaded, and all of it."""
    folder_of(variant, tmp_path)
    weights = network_weights.Weights(tmp_path).body()
    found = network_weights.body_tensors(ours(tmp_path))
    assert found.keys() == set(weights)
    for name, tensor in found.items():
        assert torch.equal(tensor, weights[name]), name


def test_all_states_come_of_one_pass(tmp_path):
    """The embeddings and every layer, the very tensors that asking for each layer gives."""
    folder_of("bert", tmp_path)
    encoder, (batch, _) = ours(tmp_path), some_batch()
    passes = []
    encoder.layers[0].register_forward_hook(lambda *_: passes.append(1))
    with torch.inference_mode():
        states = list(encoder.states(batch))
        assert len(passes) == 1
        for layer, state in enumerate(states):
            assert torch.equal(state, encoder(batch, layer))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_does_not_mix_its_sequences(variant, tmp_path):
    """A sequence's hidden states do not depend on what else is in the batch."""
    folder_of(variant, tmp_path)
    encoder = ours(tmp_path)
    together, sequences = some_batch()
    alone = pack(one_sequence_instances([sequences[1]], [40], [None]), [0])
    with torch.inference_mode():
        a, b = encoder(together), encoder(alone)
    torch.testing.assert_close(a[-40:], b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", ["bert", "xlm-r xl", "modernbert", "deberta"])
def test_dropout_acts_in_training_alone(variant, tmp_path):
    """Steps differ in training only; a place is used once, or it would drop the same twice.

    And parts of a step drop what the whole step does.
    """
    folder_of(variant, tmp_path)
    path = tmp_path / "config.json"
    rates = ("embedding_dropout", "mlp_dropout", "attention_dropout")
    path.write_text(json.dumps(json.loads(path.read_text()) | dict.fromkeys(rates, 0.2)))
    encoder = ours(tmp_path)
    one, two = (some_batch(step_seed=step)[0] for step in (1, 2))
    places = [m for m in encoder.modules() if isinstance(m, Dropout | AttentionDropout)]
    assert not any(isinstance(module, nn.Dropout) for module in encoder.modules())
    assert all(module.p > 0 for module in places)
    with torch.no_grad():
        assert torch.equal(encoder(one), encoder(two))
        encoder.train()
        with tiny.dropout_layers_used() as called:
            assert not torch.allclose(encoder(one), encoder(two))
        assert sorted(called) == sorted(2 * [module.layer_name for module in places])
        assert len(set(called)) == len(places)
        parts = [encoder(some_batch(i, step_seed=1)[0]) for i in range(4)]
        torch.testing.assert_close(encoder(one), torch.cat([parts[i] for i in ORDER]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_bf16_autocast_computes_the_same_roughly(variant, tmp_path):
    """Of what a GPU does: products in bf16, norms in float32, in evaluation and in training."""
    folder_of(variant, tmp_path)
    encoder, (batch, sequences) = ours(tmp_path), some_batch()
    with torch.inference_mode():
        exact = encoder(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = encoder(batch)
    assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean()
    features = one_sequence_instances(sequences, SECOND, [None] * 4)
    encoder.train()
    with torch.autocast("cpu", torch.bfloat16):
        encoder(pack(features, ORDER, step_seed=1)).float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


# --- configurations as they are found ------------------------------------------------------------


def test_modernbert_as_transformers_4_wrote_it(tmp_path):
    """mmBERT's own configuration says how often global attention comes, and two bases."""
    import transformers

    folder_of("modernbert", tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["layer_types"], config["rope_parameters"]
    config |= {"global_attn_every_n_layers": 2, "global_rope_theta": 500.0, "local_rope_theta": 70}
    path.write_text(json.dumps(config))
    model = transformers.ModernBertModel.from_pretrained(tmp_path).eval()
    batch, sequences = some_batch()
    with torch.inference_mode():
        expected = torch.cat([theirs(model, sequences[i], 0)[-1] for i in ORDER])
        torch.testing.assert_close(ours(tmp_path)(batch), expected, atol=2e-5, rtol=1e-4)


@given(st.integers(2, 64).map(lambda n: 2 * n), st.integers(70, 600))
def test_buckets_are_those_of_transformers(buckets, furthest):
    """Of every distance, whatever the number of buckets."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    far = torch.arange(1 - furthest, furthest)
    expected = make_log_bucket_position(far, buckets, furthest)
    assert torch.equal(log_buckets(far, buckets, furthest), expected.long())


@pytest.mark.parametrize(
    ("variant", "changes", "problem"),
    [
        ("bert", {"hidden_act": "relu"}, "hidden_act is 'relu'; only 'gelu' is supported"),
        (
            "bert",
            {"position_embedding_type": "relative_key"},
            "position_embedding_type is 'relative_key'; only 'absolute' is supported",
        ),
        ("xlm-r", {"hidden_size": ...}, "has no hidden_size"),
        ("modernbert", {"hidden_activation": "silu"}, "hidden_activation is 'silu'; only 'gelu'"),
        (
            "modernbert",
            {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
            "rope_parameters.full_attention.rope_type is 'yarn'; only 'default' is supported",
        ),
        ("modernbert", {"layer_types": ["full_attention"]}, "layer_types must name each of 4"),
        ("deberta", {"conv_kernel_size": 3}, "conv_kernel_size is 3; only 0 is supported"),
        ("deberta", {"share_att_key": ...}, "share_att_key is False; only True is supported"),
        ("deberta", {"pos_att_type": "c2p"}, "pos_att_type is 'c2p'; only p2c|c2p is known"),
        ("deberta", {"embedding_size": 8}, "embedding_size is 8; only 24 is supported"),
    ],
)
def test_an_unknown_variant_is_refused(variant, changes, problem, tmp_path):
    """With the file, the key and what is allowed: never computed as if it were the known one."""
    folder_of(variant, tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
    with pytest.raises(EncoderError) as refused:
        registry.blank(tmp_path, 1)
    assert str(refused.value).startswith(f"{path}: {problem}")


def test_each_architecture_of_a_card_is_a_module_that_computes_some_model_type():
    """A spec names the module by what the card says."""
    computed = {network.partition(".")[0] for network in registry.NETWORKS.values()}
    assert computed | {registry.AUTOMODEL} == set(get_args(Architecture))


def test_an_unknown_architecture_is_refused_by_name(tmp_path):
    """The error names the file, the model type and what is allowed."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(EncoderError, match=r"model_type 't5' \(.*bert.*architecture: automodel"):
        registry.blank(tmp_path, 1)


# --- weights -------------------------------------------------------------------------------------


def test_a_pickle_is_never_read(tmp_path):
    """A folder with pytorch_model.bin alone is refused."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match="never pickles"):
        network_weights.Weights(tmp_path)


def test_missing_weights_are_named(tmp_path):
    """The error names the tensor that a folder lacks."""
    folder_of("bert", tmp_path)
    tensors = dict(network_weights.Weights(tmp_path).body())
    del tensors["encoder.layer.1.output.dense.bias"]
    encoder = registry.blank(tmp_path, WORDS)
    with pytest.raises(EncoderError, match=r"lack encoder.layer.1.output.dense.bias"):
        network_weights.load_body(encoder, tensors)


@pytest.mark.parametrize(
    ("variant", "prefix"),
    [("bert", "bert."), ("xlm-r", "roberta."), ("modernbert", "model."), ("deberta", "deberta.")],
)
def test_weights_behind_a_models_prefix_are_found(variant, prefix, tmp_path):
    """As in folders of a model with a head, which is not read."""
    folder_of(variant, tmp_path)
    plain, batch = ours(tmp_path), some_batch()[0]
    weights = network_weights.Weights(tmp_path)
    tensors = {f"{prefix}{name}": tensor for name, tensor in weights.body().items()}
    tensors[f"{prefix}{plain.word_embeddings}"] = weights.words(torch.arange(WORDS))
    tensors["lm_head.dense.weight"] = torch.zeros(2)
    del weights
    save_file({k: v.clone() for k, v in tensors.items()}, tmp_path / "model.safetensors")
    with torch.inference_mode():
        assert torch.equal(ours(tmp_path)(batch), plain(batch))


@pytest.mark.parametrize(("variant", "longest"), [("xlm-r", 64), ("modernbert", 64), ("bert", 64)])
def test_a_sequence_beyond_the_positions_is_refused(variant, longest, tmp_path):
    """An encoder says how long a sequence it takes instead of failing inside torch."""
    folder_of(variant, tmp_path)
    too_long = np.zeros(longest + 1, np.int32)
    batch = pack(one_sequence_instances([too_long], [0], [None]), [0])
    with pytest.raises(EncoderError, match=f"{longest + 1} tokens; this encoder takes {longest}"):
        ours(tmp_path)(batch)
