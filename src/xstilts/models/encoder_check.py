"""Check an encoder once, when it is fetched: weights, tokenizer, and one short forward pass.

An encoder of strangers may be damaged, half converted, or put together from parts that do not
belong to each other. Without this check it would be found after hours, or train to chance. Nothing
here decides a result: an encoder is refused or left as it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import nn

from xstilts.errors import EncoderError
from xstilts.models.batch import Batch, one_sequence_instances, pack
from xstilts.models.checkpoint import build
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.network import registry
from xstilts.models.network.weights import Weights
from xstilts.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.models.network.base import Encoder, Shape

SAMPLE = ("a cat sat on a mat", "the dog is here")
"""Words that every vocabulary can spell."""
_FLOATS = ("F64", "F32", "F16", "BF16")
_ROWS = 2**16
"""Rows of the embedding matrix that are in memory at once."""


def check(folder: Path, architecture: str) -> Shape:
    """Check the encoder in a folder; give the size of its network.

    Raises `EncoderError` that names the file and the fault: another architecture, a key of the
    configuration without sense, tensors that are missing, of another shape, not floats, not finite
    or all zero, a tokenizer that does not fit the vocabulary, does not add special tokens or loses
    text, and a forward pass whose hidden states are not finite.
    """
    shape = registry.check(folder, architecture)
    try:
        weights = Weights(folder)
        with torch.device("meta"):
            encoder = registry.blank(folder, 1)
        _check_types(folder, encoder, weights)
        _check_words(folder, encoder, weights)
        tokenizer = Tokenizer(folder)
        with _explained_panics(folder / "tokenizer.json"):
            _check_tokenizer(folder, tokenizer, weights.vocabulary)
        if architecture == registry.AUTOMODEL:
            _check_forward_pass_as_a_whole(folder, tokenizer)
        else:
            _check_ids(folder, encoder, weights.vocabulary)
            _check_special_tokens(folder, tokenizer)
            _check_forward_pass(folder, tokenizer, weights.body())
    except SafetensorError as error:
        raise EncoderError(f"{folder / 'model.safetensors'}: cannot be read ({error})") from error
    return shape


# --- weights --------------------------------------------------------------------------------------


def _check_types(folder: Path, encoder: Encoder, weights: Weights) -> None:
    types = weights.types()
    needed = [name for _, theirs in encoder.names() for name in theirs]
    for name in (*needed, encoder.word_embeddings):
        if types[name] not in _FLOATS:
            raise EncoderError(
                f"{folder / 'model.safetensors'}: {name} has numbers of type {types[name]}; "
                f"weights are {', '.join(_FLOATS)}"
            )


def _check_words(folder: Path, encoder: Encoder, weights: Weights) -> None:
    """The embedding matrix is finite, and not all zero."""
    rows = weights.vocabulary
    parts = (torch.arange(i, min(i + _ROWS, rows)) for i in range(0, rows, _ROWS))
    numbers = False
    for part in parts:
        values = weights.words(part)
        _check_finite(folder, encoder.word_embeddings, values)
        numbers = numbers or bool(values.any())
    if not numbers:
        raise _zero(folder, encoder.word_embeddings)


def _check_ids(folder: Path, encoder: Encoder, rows: int) -> None:
    """The configuration's vocabulary and special tokens are those of the embedding matrix."""
    config = registry.Config(folder)
    if config.get("vocab_size", rows) != rows:
        raise EncoderError(
            f"{config.path}: vocab_size is {config['vocab_size']!r:.60}, but "
            f"{encoder.word_embeddings} has {rows} rows"
        )
    for key in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"):
        number = config.get(key, 0)
        if type(number) is not int or not 0 <= number < rows:
            raise EncoderError(
                f"{config.path}: {key} is {number!r:.60}, but the vocabulary has {rows} tokens"
            )


def _check_finite(folder: Path, name: str, values: torch.Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise EncoderError(
            f"{folder / 'model.safetensors'}: {name} has numbers that are NaN or infinite; fetch "
            "or convert the encoder again"
        )


def _zero(folder: Path, name: str) -> EncoderError:
    return EncoderError(
        f"{folder / 'model.safetensors'}: all numbers of {name} are zero; fetch or convert the "
        "encoder again"
    )


# --- tokenizer ------------------------------------------------------------------------------------


@contextmanager
def _explained_panics(path: Path) -> Iterator[None]:
    """Make an `EncoderError` of what the tokenizers library raises while it reads a text."""
    try:
        yield
    except BaseException as error:
        # a panic of its Rust side is no Exception, and its class cannot be imported
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise EncoderError(f"{path}: cannot tokenise a text ({error})") from error
        raise


def _check_tokenizer(folder: Path, tokenizer: Tokenizer, vocabulary: int) -> None:
    path = folder / "tokenizer.json"
    if (largest := tokenizer.largest_id) >= vocabulary:
        raise EncoderError(
            f"{path}: gives token ids up to {largest}, but the weights have {vocabulary} rows; "
            "it is the tokenizer of another encoder"
        )
    for text, tokens in zip(SAMPLE, tokenizer(SAMPLE), strict=True):
        if not len(tokens.ids) or set(tokens.ids.tolist()) == {tokenizer.unknown}:
            raise EncoderError(f"{path}: knows no token of {text!r}")
        covered = {place for begin, end in tokens.spans for place in range(begin, end)}
        if lost := [
            place for place, letter in enumerate(text) if letter != " " and place not in covered
        ]:
            raise EncoderError(f"{path}: loses the letter {text[lost[0]]!r} of {text!r}")
    _ = tokenizer.special_tokens


def _check_special_tokens(folder: Path, tokenizer: Tokenizer) -> None:
    """Our networks are of encoders that begin and end a text; T5's begins with the text itself."""
    special = tokenizer.special_tokens
    if not (special.prefix and special.middle and special.suffix):
        raise EncoderError(
            f"{folder / 'tokenizer.json'}: puts no special tokens around texts; its post_processor "
            "is missing"
        )


# --- forward pass ---------------------------------------------------------------------------------


def _check_forward_pass(
    folder: Path, tokenizer: Tokenizer, body: Mapping[str, torch.Tensor]
) -> None:
    """Read a pair of texts; one layer at a time is in memory."""
    rows, batch = _sample(tokenizer)
    with torch.device("meta"):
        encoder = registry.blank(folder, len(rows)).eval()
    encoder.words.weight = nn.Parameter(rows.read(folder, None), requires_grad=False)
    names = dict(encoder.names())

    def fill(module: nn.Module, prefix: str) -> None:
        module.to_empty(device="cpu")
        for name, parameter in module.named_parameters():
            theirs = names[f"{prefix}.{name}"]
            values = torch.cat([body[part] for part in theirs]).float()
            _check_finite(folder, theirs[0], values)
            if prefix.startswith("layers.") and values.dim() > 1 and not bool(values.any()):
                raise _zero(folder, theirs[0])
            parameter.data.copy_(values)

    for name, module in encoder.named_children():
        if name not in ("words", "layers"):
            fill(module, name)
    layers = encoder.get_submodule("layers")
    for number, layer in enumerate(layers.children()):
        layer.register_forward_pre_hook(
            lambda module, _, number=number: fill(module, f"layers.{number}")
        )
        layer.register_forward_hook(lambda module, *_: module.to("meta") and None)
    _check_states(folder, encoder, batch)


def _check_forward_pass_as_a_whole(folder: Path, tokenizer: Tokenizer) -> None:
    """Read a pair of texts with a model of transformers, whose layers have any names."""
    rows, batch = _sample(tokenizer)
    encoder = build(folder, None, rows).eval()
    for name, parameter in encoder.named_parameters():
        _check_finite(folder, name, parameter)
    _check_states(folder, encoder, batch)


def _sample(tokenizer: Tokenizer) -> tuple[EmbeddingRows, Batch]:
    """A batch of one pair of texts, and the rows of the embedding matrix that it needs."""
    first, second = tokenizer(SAMPLE)
    ids, second_start = tokenizer.pair(first.ids, second.ids)
    features = one_sequence_instances([ids], [second_start], [None])
    rows = EmbeddingRows.of([features])
    return rows, pack(rows.number(features), [0])


def _check_states(folder: Path, encoder: Encoder, batch: Batch) -> None:
    with torch.inference_mode():
        for number, state in enumerate(encoder.states(batch)):
            if not bool(torch.isfinite(state).all()):
                raise EncoderError(
                    f"{folder}: the hidden states after layer {number} are NaN or infinite for "
                    f"{SAMPLE[0]!r}"
                )
