"""BERT's architecture: BERT, XLM-R and all that have their shape; and XLM-R XL, its pre-norm kin.

Devlin et al. 2019; Conneau et al. 2020; Goyal et al. 2021 for XL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn
from torch.nn import functional as F

from xstilts.models.dropout import AttentionDropout, Dropout
from xstilts.models.network.attention import self_attention
from xstilts.models.network.base import POSITIONS, Encoder, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from xstilts.models.batch import Batch
    from xstilts.models.network.base import Config


class Layer(nn.Module):
    """One transformer layer. Query, key and value are one matrix: one product."""

    def __init__(self, shape: Shape, config: Config, *, pre_norm: bool) -> None:
        super().__init__()
        epsilon = config.positive("layer_norm_eps", 1.0)
        self.heads, self.pre_norm = shape.heads, pre_norm
        self.weights_dropout = AttentionDropout(
            config.share("attention_probs_dropout_prob"), shape.heads, shape.longest
        )
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.attention_norm = nn.LayerNorm(shape.hidden, eps=epsilon)
        self.up = nn.Linear(shape.hidden, shape.inner)
        self.down = nn.Linear(shape.inner, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=epsilon)
        self.out_dropout = Dropout(config.share("hidden_dropout_prob"))
        if not pre_norm:  # XL has no dropout after its feed-forward part
            self.down_dropout = Dropout(config.share("hidden_dropout_prob"))

    def forward(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (T, H)."""
        if self.pre_norm:
            attended = self.out(self._attend(self.attention_norm(x), batch))
            x = self.out_dropout.added(x, attended, batch.token_seeds)
            return x + self.down(F.gelu(self.up(self.norm(x))))  # type: ignore[no-any-return]
        return self.normed_after(x, self._attend(x, batch), batch)

    def normed_after(self, x: torch.Tensor, context: torch.Tensor, batch: Batch) -> torch.Tensor:
        """What follows attention in a post-norm layer: (T, H) and its context (T, H) -> (T, H)."""
        x = self.attention_norm(self.out_dropout.added(x, self.out(context), batch.token_seeds))
        fed = self.down(F.gelu(self.up(x)))
        return self.norm(self.down_dropout.added(x, fed, batch.token_seeds))  # type: ignore[no-any-return]

    def _attend(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self_attention(self.qkv(x), batch, self.heads, self.weights_dropout)


AFTER_ATTENTION = {
    "layers.#.out": ("encoder.layer.#.attention.output.dense",),
    "layers.#.attention_norm": ("encoder.layer.#.attention.output.LayerNorm",),
    "layers.#.up": ("encoder.layer.#.intermediate.dense",),
    "layers.#.down": ("encoder.layer.#.output.dense",),
    "layers.#.norm": ("encoder.layer.#.output.LayerNorm",),
}
"""What follows attention, as BERT and its kin name it."""


class Bert(Encoder):
    """Word, position and type embeddings, normed; then layers that norm what they gave."""

    word_embeddings = "embeddings.word_embeddings.weight"
    theirs: ClassVar = {
        "positions": ("embeddings.position_embeddings",),
        "types": ("embeddings.token_type_embeddings",),
        "norm": ("embeddings.LayerNorm",),
        "layers.#.qkv": tuple(
            f"encoder.layer.#.attention.self.{part}" for part in ("query", "key", "value")
        ),
        **AFTER_ATTENTION,
    }
    pre_norm = False

    def __init__(self, config: Config, rows: int) -> None:
        """Raises `EncoderError` for an activation or a kind of position that is not BERT's."""
        config.require("hidden_act", "gelu", default="gelu")
        config.require("position_embedding_type", "absolute", default="absolute")
        # RoBERTa counts from padding_idx + 1
        roberta = config["model_type"] != "bert"
        self.first_position = _padding(config) + 1 if roberta else 0
        shape = Shape.read(config, self.first_position)
        super().__init__(shape, rows)
        self.positions = nn.Embedding(shape.longest + self.first_position, shape.hidden)
        self.types = nn.Embedding(config.count("type_vocab_size", 1000), shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=config.positive("layer_norm_eps", 1.0))
        self.dropout = Dropout(config.share("hidden_dropout_prob"))
        self.layers = nn.ModuleList(
            Layer(shape, config, pre_norm=self.pre_norm) for _ in range(shape.layers)
        )

    def _states(self, batch: Batch) -> Iterator[torch.Tensor]:
        x = self.dropout(self.norm(self._embed(batch)), batch.token_seeds)
        yield x
        for module in self.layers:
            x = module(x, batch)
            yield x

    def _embed(self, batch: Batch) -> torch.Tensor:
        types = batch.types.clamp(max=self.types.num_embeddings - 1)
        positions = self.positions(batch.positions + self.first_position)
        return self.words(batch.ids) + self.types(types) + positions  # type: ignore[no-any-return]


def _padding(config: Config) -> int:
    """The id of the padding token, after which RoBERTa counts positions."""
    if config.get("pad_token_id", 1) == 0:
        return 0
    return config.count("pad_token_id", POSITIONS, default=1)


class BertXL(Bert):
    """XLM-R XL: embeddings without norm, layers that norm what they read, one norm at the end."""

    theirs: ClassVar = Bert.theirs | {
        "norm": ("encoder.LayerNorm",),
        "layers.#.attention_norm": ("encoder.layer.#.attention.self_attn_layer_norm",),
        "layers.#.norm": ("encoder.layer.#.LayerNorm",),
    }
    pre_norm = True

    def _states(self, batch: Batch) -> Iterator[torch.Tensor]:
        x = self.dropout(self._embed(batch), batch.token_seeds)
        yield x
        for number, module in enumerate(self.layers, start=1):
            x = module(x, batch)
            yield self.norm(x) if number == len(self.layers) else x
