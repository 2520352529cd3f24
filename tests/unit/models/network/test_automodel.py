"""Encoders that transformers computes: any architecture, as one of our own networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from xstilts.errors import EncoderError
from xstilts.models.batch import one_sequence_instances, pack
from xstilts.models.network import registry
from xstilts.models.network import weights as network_weights
from xstilts.models.network.automodel import convert

WORDS = 40
SIZES: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "pad_token_id": 1,
    "max_position_embeddings": 66,
}
T5 = {"vocab_size": WORDS, "d_model": 24, "num_layers": 3, "num_heads": 3, "d_ff": 48, "d_kv": 8}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "electra": ("Electra", SIZES | {"embedding_size": 12}),
    "rembert": ("RemBert", SIZES | {"input_embedding_size": 12, "output_embedding_size": 12}),
    "xlm": ("XLM", {"n_words": WORDS, "emb_dim": 24, "n_layers": 3, "n_heads": 3, "pad_index": 1}),
    "xmod": ("Xmod", SIZES | {"languages": ["en"], "default_language": "en"}),
    "t5": ("T5", T5),
    "mt5": ("MT5", T5),
    "umt5": ("UMT5", T5),
    "eurobert": ("EuroBert", SIZES | {"num_key_value_heads": 3}),
    "nomic-bert": ("NomicBert", SIZES),
    "mpnet": ("MPNet", SIZES),
    "albert": ("Albert", SIZES | {"embedding_size": 12}),
    "distilbert": ("DistilBert", {"vocab_size": WORDS, "dim": 24, "n_layers": 3, "n_heads": 3}),
    "xlm-roberta": ("XLMRoberta", SIZES),
}
"""By name: how transformers calls the model, and a small configuration of it."""
LENGTHS = (5, 40, 1, 9)


def saved(name: str, folder):
    """A random model saved as an ordinary folder; an encoder-decoder whole, as on the Hub."""
    import transformers

    family, changes = MODELS[name]
    config = getattr(transformers, f"{family}Config")(**changes)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}Model")(config).eval()
    with torch.no_grad():  # norms that do nothing would hide a norm in the wrong place
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model


def loaded(folder):
    weights = network_weights.Weights(folder)
    encoder = registry.blank(folder, WORDS)
    with torch.no_grad():
        network_weights.load_body(encoder, weights.body())
        encoder.words.weight.copy_(weights.words(torch.arange(WORDS)))
    return encoder


def batch_of(order=(2, 0, 3, 1), step_seed=None):
    rng = np.random.default_rng(0)
    sequences = [rng.integers(3, WORDS, size=n).astype(np.int32) for n in LENGTHS]
    features = one_sequence_instances(sequences, LENGTHS, [None] * len(LENGTHS))
    return pack(features, list(order), step_seed=step_seed), [sequences[i] for i in order]


@pytest.mark.parametrize("name", MODELS)
def test_hidden_states_are_those_of_transformers(name, tmp_path):
    """Every token's hidden state, at every layer, is that of the sequence alone, to rounding."""
    model = saved(name, tmp_path)
    convert(tmp_path)
    registry.check(tmp_path, "automodel")
    batch, sequences = batch_of()
    whole = model.encoder if name in ("t5", "mt5", "umt5") else model
    with torch.inference_mode():
        found = list(loaded(tmp_path).states(batch))
        for place, ids in enumerate(sequences):
            row = torch.from_numpy(ids.astype(np.int64))[None]
            outputs = whole(row, output_hidden_states=True)
            expected = [*outputs.hidden_states[:-1], outputs.last_hidden_state]
            begin = int(batch.first[place])
            assert len(found) == len(expected) == 4
            for ours, theirs in zip(found, expected, strict=True):
                part = ours[begin : begin + len(ids)]
                torch.testing.assert_close(part, theirs[0], atol=2e-5, rtol=1e-4)


def test_dropout_depends_on_the_step_and_its_instances_alone(tmp_path):
    """The same step twice is the same; another step, or none, is not."""
    saved("electra", tmp_path)
    convert(tmp_path)
    encoder = loaded(tmp_path)

    def output(step_seed):
        with torch.inference_mode():
            return encoder(batch_of(step_seed=step_seed)[0])

    first = output(1)
    torch.rand(7)  # something else draws from torch's generator
    assert torch.equal(first, output(1))
    assert not torch.equal(first, output(2))
    assert torch.equal(output(None), output(None))
    assert not torch.equal(first, output(None))


def test_a_forward_pass_leaves_the_generator_as_it_was(tmp_path):
    """Other code that draws random numbers is not disturbed."""
    saved("electra", tmp_path)
    convert(tmp_path)
    encoder = loaded(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    encoder(batch_of(step_seed=1)[0])
    assert torch.equal(torch.rand(1), expected)


def test_every_parameter_but_a_pooler_gets_a_gradient(tmp_path):
    """So all of the encoder is fine-tuned."""
    saved("rembert", tmp_path)
    convert(tmp_path)
    encoder = loaded(tmp_path)
    encoder(batch_of(step_seed=1)[0]).sum().backward()
    still = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert all("pooler" in name for name in still), still


def test_only_the_rows_that_the_data_needs_are_in_memory(tmp_path):
    """The model's own matrix of word embeddings is taken out of it."""
    saved("xlm", tmp_path)
    convert(tmp_path)
    encoder = registry.blank(tmp_path, 7)
    assert [tuple(p.shape) for p in encoder.parameters() if WORDS in p.shape] == []
    assert tuple(encoder.words.weight.shape) == (7, 24)


def test_a_tensor_that_is_missing_is_an_error_before_any_training(tmp_path):
    """Transformers would fill it with random numbers and only warn."""
    from safetensors.torch import load_file, save_file

    saved("electra", tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack encoder\.layer\.1\.output\.dense\.weight"):
        convert(tmp_path)


def test_the_same_folder_is_converted_to_the_same_bytes(tmp_path):
    """Transformers fills a pooler that the weights lack with random numbers; it is not used."""
    import transformers

    found = []
    for name in "ab":
        torch.manual_seed(0)
        model = transformers.BertForMaskedLM(transformers.BertConfig(**SIZES))
        model.save_pretrained(tmp_path / name)
        torch.rand(len(found))
        convert(tmp_path / name)
        found.append((tmp_path / name / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_an_encoder_of_characters_is_refused(tmp_path):
    """Canine has no matrix of word embeddings."""
    import transformers

    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    transformers.CanineModel(transformers.CanineConfig(**small)).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="'canine' has no matrix of word embeddings"):
        convert(tmp_path)


def test_code_of_the_encoders_author_is_not_run(tmp_path):
    """A configuration that names code in the folder is refused."""
    (tmp_path / "config.json").write_text(
        '{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModel": "mine.Mine"}}'
    )
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    with pytest.raises(EncoderError, match="trust_remote_code"):
        convert(tmp_path)
