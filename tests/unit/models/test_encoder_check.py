"""An encoder of strangers is checked once, when it is fetched."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import models, processors

from support import tiny
from xstilts.errors import EncoderError
from xstilts.models import encoder_check
from xstilts.models.network.weights import WORD_EMBEDDINGS

LAYER = "encoder.layer.1.output.dense.weight"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tiny.encoder(tmp_path_factory.mktemp("sound")).parent


@pytest.fixture
def folder(sound, tmp_path):
    """A copy of a small random XLM-R."""
    return shutil.copytree(sound, tmp_path / "encoder")


def refused(folder) -> str:
    """What is wrong with the encoder, without the folder's name."""
    with pytest.raises(EncoderError) as error:
        encoder_check.check(folder, "bert")
    (line,) = str(error.value).splitlines()
    return line.replace(f"{folder}/", "")


def configure(folder, **changes):
    """Change keys of the configuration; ... deletes one."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


def reweigh(folder, **changes):
    path = folder / "model.safetensors"
    save_file(load_file(path) | changes, path)


def test_a_sound_encoder_is_accepted(folder):
    shape = encoder_check.check(folder, "bert")
    assert (shape.layers, shape.hidden, shape.heads, shape.longest) == (2, 16, 2, 130)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("model_type", "t5", "no network of this project computes model_type 't5' (they"),
        ("model_type", ["bert"], "no network of this project computes model_type ['bert'] "),
        ("model_type", ..., "has no model_type"),
        ("is_decoder", True, "is_decoder is True; only False is supported"),
        ("num_attention_heads", 0, "num_attention_heads is 0; it must be a whole number from 1 to"),
        ("num_attention_heads", 3, "hidden_size 16 is no multiple of num_attention_heads 3"),
        ("num_hidden_layers", 200_000, "num_hidden_layers is 200000; it must be a whole number"),
        ("num_hidden_layers", 2.0, "num_hidden_layers is 2.0; it must be a whole number from 1 to"),
        ("num_hidden_layers", ..., "has no num_hidden_layers"),
        ("hidden_size", "16", "hidden_size is '16'; it must be a whole number from 1 to 131,072"),
        ("hidden_size", [16], "hidden_size is [16]; it must be a whole number from 1 to 131,072"),
        ("intermediate_size", True, "intermediate_size is True; it must be a whole number"),
        ("max_position_embeddings", 2, "max_position_embeddings 2 leaves no position"),
        ("layer_norm_eps", "1e-5", "layer_norm_eps is '1e-5'; it must be a number above 0"),
        ("layer_norm_eps", 0, "layer_norm_eps is 0; it must be a number above 0 and up to 1"),
        ("hidden_dropout_prob", 2, "hidden_dropout_prob is 2; it must be a number from 0 to less"),
        ("hidden_act", "relu", "hidden_act is 'relu'; only 'gelu' is supported"),
        ("vocab_size", 999, "vocab_size is 999, but embeddings.word_embeddings.weight has"),
        ("pad_token_id", 10**6, "max_position_embeddings 132 leaves no position"),
        ("bos_token_id", 999, "bos_token_id is 999, but the vocabulary has"),
        ("eos_token_id", "2", "eos_token_id is '2', but the vocabulary has"),
    ],
)
def test_a_key_without_sense_is_refused(folder, key, value, problem):
    configure(folder, **{key: value})
    assert refused(folder).startswith(f"config.json: {problem}")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"hidden_size": NaN}', "[" * 10_000, '"\\ud800"'])
def test_a_configuration_that_is_no_object_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    assert refused(folder).startswith("config.json: cannot be read (")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (LAYER, np.nan, f"{LAYER} has numbers that are NaN or infinite; fetch or convert"),
        (LAYER, np.inf, f"{LAYER} has numbers that are NaN or infinite; fetch or convert"),
        (LAYER, 0.0, f"all numbers of {LAYER} are zero; fetch or convert"),
        (WORD_EMBEDDINGS, np.nan, f"{WORD_EMBEDDINGS} has numbers that are NaN or infinite"),
        (WORD_EMBEDDINGS, 0.0, f"all numbers of {WORD_EMBEDDINGS} are zero"),
    ],
)
def test_weights_that_cannot_be_the_trained_ones_are_refused(folder, name, value, problem):
    tensors = load_file(folder / "model.safetensors")
    reweigh(folder, **{name: np.full_like(tensors[name], value)})
    assert refused(folder).startswith(f"model.safetensors: {problem}")


def test_one_number_that_is_nan_is_found(folder):
    damaged = load_file(folder / "model.safetensors")[LAYER].copy()
    damaged[3, 5] = np.nan
    reweigh(folder, **{LAYER: damaged})
    assert "NaN" in refused(folder)


def test_whole_numbers_are_no_weights(folder):
    shape = load_file(folder / "model.safetensors")[LAYER].shape
    reweigh(folder, **{LAYER: np.ones(shape, np.int32)})
    assert refused(folder).startswith(
        f"model.safetensors: {LAYER} has numbers of type I32; weights are F64, F32, F16, BF16"
    )


def test_half_precision_is_accepted(folder):
    tensors = load_file(folder / "model.safetensors")
    reweigh(folder, **{name: value.astype(np.float16) for name, value in tensors.items()})
    encoder_check.check(folder, "bert")


def test_types_that_were_set_to_zero_are_accepted(folder):
    """XLM-R's are: RoBERTa does not use them."""
    name = "embeddings.token_type_embeddings.weight"
    reweigh(folder, **{name: np.zeros_like(load_file(folder / "model.safetensors")[name])})
    encoder_check.check(folder, "bert")


def test_a_scalar_in_the_place_of_a_tensor_is_refused(folder):
    reweigh(folder, **{LAYER: np.array(1.0, np.float32)})
    assert "does not fit config.json's network" in refused(folder)


def test_a_tensor_with_and_without_a_prefix_is_refused(folder):
    """Which of the two is meant is not known."""
    tensors = load_file(folder / "model.safetensors")
    reweigh(folder, **{f"roberta.{LAYER}": tensors[LAYER]})
    assert refused(folder).endswith(f"has {LAYER} twice, with and without a prefix")


def test_hidden_states_that_overflow_are_refused(folder):
    """Though each weight is finite."""
    tensors = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.attention.self.query.weight"
    reweigh(folder, **{name: np.full_like(tensors[name], 3e38)})
    assert "the hidden states after layer 2 are NaN or infinite for 'a cat sat" in refused(folder)


def test_damaged_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert refused(folder).startswith("model.safetensors: cannot be read (")


class TestTokenizer:
    def save(self, folder, **parts):
        """The tokenizer with other parts."""
        fast = tiny.letter_tokenizer()
        for name, part in parts.items():
            setattr(fast, name, part)
        fast.save(str(folder / "tokenizer.json"))

    def test_without_special_tokens(self, folder):
        self.save(folder, post_processor=processors.TemplateProcessing("$A", "$A $B", []))
        assert refused(folder) == (
            "tokenizer.json: puts no special tokens around texts; its post_processor is missing"
        )

    def test_with_its_sides_swapped(self, folder):
        template = processors.TemplateProcessing(
            "<s> $A </s>", "<s> $B </s> $A </s>", [("<s>", 0), ("</s>", 2)]
        )
        self.save(folder, post_processor=template)
        assert refused(folder).startswith(
            "tokenizer.json: does not write a pair of texts as first, then second"
        )

    def test_of_a_larger_vocabulary(self, folder):
        vocabulary = {token: number for number, token in enumerate(tiny.VOCABULARY)}
        model = models.WordLevel(vocabulary | {"more": 999}, unk_token="<unk>")
        self.save(folder, model=model)
        assert refused(folder) == (
            f"tokenizer.json: gives token ids up to 999, but the weights have {tiny.ROWS} rows; "
            "it is the tokenizer of another encoder"
        )

    def test_of_another_script(self, folder):
        vocabulary = {token: number for number, token in enumerate((*tiny.SPECIALS, "日", "今"))}
        self.save(folder, model=models.WordLevel(vocabulary, unk_token="<unk>"))
        assert refused(folder) == "tokenizer.json: knows no token of 'a cat sat on a mat'"

    def test_that_loses_letters(self, folder):
        """Answers are cut out of a text by the places of their tokens."""
        from tokenizers import Regex, pre_tokenizers

        letters = pre_tokenizers.Split(Regex("[^t]"), "isolated")
        only = pre_tokenizers.Sequence([pre_tokenizers.Split("t", "removed"), letters])
        self.save(folder, pre_tokenizer=only)
        assert refused(folder) == "tokenizer.json: loses the letter 't' of 'a cat sat on a mat'"

    def test_whose_library_panics(self, folder):
        """A special token of the template that is nowhere described."""
        path = folder / "tokenizer.json"
        parts = json.loads(path.read_text())
        del parts["post_processor"]["special_tokens"]["</s>"]
        path.write_text(json.dumps(parts))
        assert refused(folder).startswith("tokenizer.json: ")

    def test_that_is_none(self, folder):
        (folder / "tokenizer.json").write_text("{}")
        assert refused(folder).startswith("tokenizer.json: not a tokenizer (")
