"""The encoder network: BERT's architecture (BERT, XLM-R, e5, LaBSE, Glot500 ...) without padding.

Tokens of a batch lie end to end as (T, H) through every linear layer, so that no computation is
spent on padding; only attention lays them out as (S, L) sequences. The numbers are those of
``transformers``' ``BertModel`` and ``XLMRobertaModel`` (tests compare them), weights have the names
of a Hugging Face folder, and importing this costs torch alone.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

from xstilts.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.batching import Batch

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"

# model_type -> position of the first token (RoBERTa counts from padding_idx + 1)
_FIRST_POSITION = {"bert": 0, "roberta": 2, "xlm-roberta": 2, "camembert": 2}


@dataclass(frozen=True)
class Shape:
    """What ``config.json`` says of a network; see `Shape.read`."""

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    first_position: int
    types: int
    epsilon: float
    dropout: float
    attention_dropout: float
    vocabulary: int

    @staticmethod
    def read(folder: Path) -> Shape:
        """Read ``config.json``; raises `EncoderError` for an architecture that is not BERT's."""
        try:
            config = json.loads((folder / "config.json").read_bytes())
        except (OSError, ValueError) as error:
            raise EncoderError(f"{folder / 'config.json'}: cannot be read ({error})") from error
        kind = config.get("model_type")
        if kind not in _FIRST_POSITION:
            raise EncoderError(
                f"{folder / 'config.json'}: model_type {kind!r} is not supported; "
                f"allowed: {', '.join(_FIRST_POSITION)}"
            )
        if config.get("hidden_act", "gelu") != "gelu":
            raise EncoderError(f"{folder / 'config.json'}: hidden_act must be 'gelu'")
        return Shape(
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            positions=config["max_position_embeddings"],
            first_position=_FIRST_POSITION[kind],
            types=config["type_vocab_size"],
            epsilon=config["layer_norm_eps"],
            dropout=config["hidden_dropout_prob"],
            attention_dropout=config["attention_probs_dropout_prob"],
            vocabulary=config["vocab_size"],
        )

    @property
    def longest(self) -> int:
        """Tokens that one sequence may have."""
        return self.positions - self.first_position


class Layer(nn.Module):
    """One transformer layer, post-norm. Query, key and value are one matrix: one product."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.attention_dropout = shape.heads, shape.attention_dropout
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.attention_norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.up = nn.Linear(shape.hidden, shape.inner)
        self.down = nn.Linear(shape.inner, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (T, H)."""
        x = self.attention_norm(x + self.dropout(self.out(self._attend(x, batch))))
        return self.norm(x + self.dropout(self.down(F.gelu(self.up(x)))))  # type: ignore[no-any-return]

    def _attend(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        qkv = batch.padded(self.qkv(x), 0.0)  # (S, L, 3H)
        s, length, width = qkv.shape
        size = width // 3 // self.heads
        query, key, value = qkv.view(s, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if batch.mask is None else batch.mask[:, None, None, :],
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        return batch.flat(context.transpose(1, 2).reshape(s, length, width // 3))


class Encoder(nn.Module):
    """The network, over the rows of the embedding matrix that the data at hand needs.

    ``rows`` is the number of those rows; token ids in a batch are indices into them.
    """

    def __init__(self, shape: Shape, rows: int) -> None:
        """Make an encoder whose weights are to be loaded: nothing is initialised."""
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(rows, shape.hidden)
        self.positions = nn.Embedding(shape.positions, shape.hidden)
        self.types = nn.Embedding(shape.types, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, batch: Batch, layer: int | None = None) -> torch.Tensor:
        """The hidden states (T, H) after ``layer`` layers; None means all, 0 the embeddings."""
        wanted = islice(self.states(batch), None if layer is None else layer + 1)
        return deque(wanted, maxlen=1).pop()

    def states(self, batch: Batch) -> Iterator[torch.Tensor]:
        """The hidden states (T, H) of the embeddings and then of every layer, one by one.

        A layer is computed when it is asked for, and nothing that was given is kept: pooling each
        state as it comes costs one forward pass and the memory of one.
        """
        if batch.longest > self.shape.longest:
            raise EncoderError(
                f"a sequence of {batch.longest} tokens; this encoder takes {self.shape.longest}"
            )
        types = batch.types.clamp(max=self.shape.types - 1)
        x = self.words(batch.ids) + self.types(types)
        x = x + self.positions(batch.positions + self.shape.first_position)
        x = self.dropout(self.norm(x))
        yield x
        for module in self.layers:
            x = module(x, batch)
            yield x


# --- weights by their Hugging Face names ---------------------------------------------------------


def _names(layers: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Our parameter -> the Hugging Face tensors that it joins, word embeddings left out."""
    yield "positions.weight", ("embeddings.position_embeddings.weight",)
    yield "types.weight", ("embeddings.token_type_embeddings.weight",)
    for kind in ("weight", "bias"):
        yield f"norm.{kind}", (f"embeddings.LayerNorm.{kind}",)
    parts = {
        "out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm": "output.LayerNorm",
    }
    for i in range(layers):
        theirs = f"encoder.layer.{i}"
        for kind in ("weight", "bias"):
            yield (
                f"layers.{i}.qkv.{kind}",
                tuple(f"{theirs}.attention.self.{x}.{kind}" for x in ("query", "key", "value")),
            )
            for ours, name in parts.items():
                yield f"layers.{i}.{ours}.{kind}", (f"{theirs}.{name}.{kind}",)


def load_body(encoder: Encoder, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fill everything but the word embeddings from tensors with Hugging Face names."""
    state = encoder.state_dict()
    for ours, theirs in _names(encoder.shape.layers):
        missing = [name for name in theirs if name not in tensors]
        if missing:
            raise EncoderError(f"the weights lack {missing[0]}")
        value = torch.cat([tensors[name] for name in theirs]).float()
        if value.shape != state[ours].shape:
            raise EncoderError(
                f"{theirs[0]}: shape {tuple(value.shape)}, not {tuple(state[ours].shape)}"
            )
        state[ours].copy_(value)


def body_tensors(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Everything but the word embeddings, by Hugging Face names."""
    state = encoder.state_dict()
    return {
        name: part.contiguous().cpu()
        for ours, theirs in _names(encoder.shape.layers)
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True)
    }


class Weights:
    """The tensors of a Hugging Face folder, memory-mapped: a row is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Open ``model.safetensors``; a pickle (``pytorch_model.bin``) is never opened."""
        path = folder / "model.safetensors"
        if not path.is_file():
            raise EncoderError(f"{path}: missing; only safetensors weights are read, never pickles")
        self._file = safe_open(path, framework="pt")
        self._keys = {_bare(key): key for key in self._file.keys()}  # type: ignore[no-untyped-call] # noqa: SIM118

    def body(self) -> dict[str, torch.Tensor]:
        """Every tensor but the word embeddings, by its name without the model's prefix."""
        return {
            name: self._file.get_tensor(key)  # type: ignore[no-untyped-call]
            for name, key in self._keys.items()
            if name != WORD_EMBEDDINGS
        }

    def words(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n,) of the word embeddings as float32 (n, H)."""
        if WORD_EMBEDDINGS not in self._keys:
            raise EncoderError(f"the weights lack {WORD_EMBEDDINGS}")
        return self._file.get_tensor(self._keys[WORD_EMBEDDINGS]).index_select(0, rows).float()  # type: ignore[no-any-return, no-untyped-call]


def _bare(key: str) -> str:
    for prefix in ("bert.", "roberta.", "model."):
        key = key.removeprefix(prefix)
    # the names that Google's BERT checkpoints still have
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )
