"""DeBERTa's architecture, versions 2 and 3 as mDeBERTa has it: content and position apart.

He et al. 2021a (arXiv 2006.03654), 2021b (arXiv 2111.09543). A score is the sum of three products:
content with content, content with relative position, relative position with content.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from xstilts.errors import EncoderError
from xstilts.models.device import uploaded
from xstilts.models.dropout import Dropout
from xstilts.models.network import bert
from xstilts.models.network.attention import attend, keys_seen, split_heads
from xstilts.models.network.base import POSITIONS, Encoder, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.models.batch import Batch
    from xstilts.models.network.base import Config


class Layer(bert.Layer):
    """BERT's layer with another attention: positions share the projections of the content."""

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__(shape, config, pre_norm=False)
        self.distance_dropout = Dropout(config.share("hidden_dropout_prob"))

    def forward(  # type: ignore[override]
        self,
        x: torch.Tensor,
        batch: Batch,
        distances: torch.Tensor,
        seeds: torch.Tensor | None,
        buckets: torch.Tensor,
    ) -> torch.Tensor:
        """(T, H) -> (T, H). ``distances`` (B, H) embeds buckets and has the numbers ``seeds`` (B,);
        ``buckets`` is (L, L)."""
        distances = self.distance_dropout(distances, seeds)
        return self.normed_after(x, self._attend_far(x, batch, distances, buckets), batch)

    def _attend_far(
        self, x: torch.Tensor, batch: Batch, distances: torch.Tensor, buckets: torch.Tensor
    ) -> torch.Tensor:
        query, key, value = split_heads(batch.padded(self.qkv(x), 0.0), self.heads)
        # the value of a distance is computed as well: a third more of a small product
        far_query, far_key, _ = split_heads(self.qkv(distances)[None], self.heads)
        scale = 1.0 / math.sqrt(3 * query.shape[-1])
        index = buckets.expand(*query.shape[:2], -1, -1)
        to_position = (query @ far_key.transpose(-1, -2)).gather(-1, index)
        to_content = (key @ far_query.transpose(-1, -2)).gather(-1, index.transpose(-1, -2))
        scores = (to_position + to_content.transpose(-1, -2)) * scale
        if (seen := keys_seen(batch)) is not None:
            scores = scores.masked_fill(~seen, -math.inf)
        dropout = self.weights_dropout
        return batch.flat(attend(query, key, value, scores, dropout, batch, scale))


class Deberta(Encoder):
    """Word embeddings, normed; layers that know the distance of two tokens."""

    word_embeddings = "embeddings.word_embeddings.weight"
    theirs: ClassVar = {
        "distances": ("encoder.rel_embeddings",),
        "norm": ("embeddings.LayerNorm",),
        "distance_norm": ("encoder.LayerNorm",),
        "layers.#.qkv": tuple(
            f"encoder.layer.#.attention.self.{part}_proj" for part in ("query", "key", "value")
        ),
        **bert.AFTER_ATTENTION,
    }

    def __init__(self, config: Config, rows: int) -> None:
        """Raises `EncoderError` for a variant of the architecture that mDeBERTa does not have."""
        config.require("hidden_act", "gelu", default="gelu")
        config.require("relative_attention", True, default=False)
        config.require("share_att_key", True, default=False)
        config.require("position_biased_input", False, default=True)
        config.require("type_vocab_size", 0, default=0)
        config.require("conv_kernel_size", 0, default=0)
        config.require("norm_rel_ebd", "layer_norm", default="none")
        kinds = config.get("pos_att_type", [])
        named = kinds.split("|") if isinstance(kinds, str) else kinds
        if not isinstance(named, list) or sorted(map(str, named)) != ["c2p", "p2c"]:
            raise EncoderError(f"{config.path}: pos_att_type is {kinds!r}; only p2c|c2p is known")
        shape = Shape.read(config)
        config.require("embedding_size", shape.hidden, default=shape.hidden)
        super().__init__(shape, rows)
        epsilon = config.positive("layer_norm_eps", 1.0)
        self.furthest = _size(config, "max_relative_positions") or shape.longest
        self.buckets = _size(config, "position_buckets")
        self.span = self.buckets if self.buckets > 0 else self.furthest
        self.norm = nn.LayerNorm(shape.hidden, eps=epsilon)
        self.dropout = Dropout(config.share("hidden_dropout_prob"))
        self.distances = nn.Embedding(2 * self.span, shape.hidden)
        self.distance_norm = nn.LayerNorm(shape.hidden, eps=epsilon)
        self.layers = nn.ModuleList(Layer(shape, config) for _ in range(shape.layers))

    def _states(self, batch: Batch) -> Iterator[torch.Tensor]:
        distances = self.distance_norm(self.distances.weight)
        seeds = batch.shared_seeds(len(distances))
        # on the host, where logarithms are rounded the same way whatever the device
        buckets = uploaded(self._relative(batch.longest), batch.ids.device)
        x = self.dropout(self.norm(self.words(batch.ids)), batch.token_seeds)
        yield x
        for module in self.layers:
            x = module(x, batch, distances, seeds, buckets)
            yield x

    def _relative(self, length: int) -> torch.Tensor:
        """(L, L): the row of ``distances`` that says how far a query is after a key."""
        far = torch.arange(1 - length, length)
        if self.buckets > 0:
            far = log_buckets(far, self.buckets, self.furthest)
        far = (far + self.span).clamp(0, 2 * self.span - 1)
        places = torch.arange(length)
        rows: torch.Tensor = far[places[:, None] - places[None, :] + length - 1]
        return rows


def _size(config: Config, key: str) -> int:
    """A number of positions; 0 where it is missing or -1, as DeBERTa writes "not set"."""
    return 0 if config.get(key, -1) in (-1, 0) else config.count(key, POSITIONS)


def log_buckets(distance: torch.Tensor, buckets: int, furthest: int) -> torch.Tensor:
    """Distances as they are up to half the buckets, and by their logarithm beyond.

    In float32, as the encoders were trained with: ``ceil`` falls where rounding puts it.
    """
    middle = buckets // 2
    size = distance.abs().clamp(min=middle)  # below the middle the distance itself is taken
    steps = torch.log(size / middle) / torch.log(torch.tensor((furthest - 1) / middle))
    logarithmic = torch.ceil(steps * (middle - 1)) + middle
    chosen = torch.where(distance.abs() <= middle, distance, logarithmic * distance.sign())
    return chosen.long()
