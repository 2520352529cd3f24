"""ModernBERT's architecture (mmBERT): rotary positions, local and global attention, gated units.

Warner et al. 2024 (arXiv 2412.13663); Marone et al. 2025 for mmBERT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from xstilts.errors import EncoderError
from xstilts.models.dropout import AttentionDropout, Dropout
from xstilts.models.network.attention import attend, keys_seen, split_heads
from xstilts.models.network.base import LAYERS, POSITIONS, Encoder, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.models.batch import Batch
    from xstilts.models.network.base import Config

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"


class Layer(nn.Module):
    """One pre-norm layer; ``kind`` is global or local attention."""

    def __init__(self, shape: Shape, config: Config, kind: str, *, first: bool) -> None:
        super().__init__()
        attention_bias = config.flag("attention_bias")
        inner_bias = config.flag("mlp_bias")
        self.kind, self.heads = kind, shape.heads
        attention_dropout = config.share("attention_dropout", 0.0)
        self.weights_dropout = AttentionDropout(attention_dropout, shape.heads, shape.longest)
        self.attention_norm = nn.Identity() if first else _norm(shape, config)
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden, bias=attention_bias)
        self.out = nn.Linear(shape.hidden, shape.hidden, bias=attention_bias)
        self.out_dropout = Dropout(attention_dropout)
        self.norm = _norm(shape, config)
        self.up = nn.Linear(shape.hidden, 2 * shape.inner, bias=inner_bias)
        self.down = nn.Linear(shape.inner, shape.hidden, bias=inner_bias)
        self.inner_dropout = Dropout(config.share("mlp_dropout", 0.0))

    def forward(self, x: torch.Tensor, batch: Batch, places: Places) -> torch.Tensor:
        """(T, H) -> (T, H)."""
        attended = self.out(self._attend(self.attention_norm(x), batch, places))
        x = self.out_dropout.added(x, attended, batch.token_seeds)
        value, gate = self.up(self.norm(x)).chunk(2, dim=-1)
        inner = self.inner_dropout(F.gelu(value) * gate, batch.token_seeds)
        return x + self.down(inner)  # type: ignore[no-any-return]

    def _attend(self, x: torch.Tensor, batch: Batch, places: Places) -> torch.Tensor:
        query, key, value = split_heads(batch.padded(self.qkv(x), 0.0), self.heads)
        query, key = (_rotated(y, *places.rotations[self.kind]) for y in (query, key))
        mask = places.masks[self.kind]
        return batch.flat(attend(query, key, value, mask, self.weights_dropout, batch))


class Places:
    """What layers of either kind know of positions, computed once for a batch.

    ``rotations``: cosine and sine (L, D); ``masks``: which keys a query sees, None for all.
    """

    def __init__(self, batch: Batch, thetas: dict[str, float], window: int, size: int) -> None:
        device = batch.ids.device
        positions = torch.arange(batch.longest, device=device)
        halves = torch.arange(0, size, 2, dtype=torch.float, device=device) / size
        self.rotations = {}
        for kind, theta in thetas.items():
            angles = (positions[:, None] / theta**halves).repeat(1, 2)
            self.rotations[kind] = angles.cos(), angles.sin()
        self.masks = {_GLOBAL: keys_seen(batch), _LOCAL: keys_seen(batch)}
        if batch.longest > window + 1:
            near = (positions[:, None] - positions[None, :]).abs() <= window
            if batch.mask is None:
                self.masks[_LOCAL] = near[None, None]
            else:  # a place of padding sees all real tokens: it must see something
                query, key = batch.mask[:, None, :, None], batch.mask[:, None, None, :]
                self.masks[_LOCAL] = (near | ~query) & key


def _rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021) of (S, heads, L, D), computed in float32."""
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cosine + torch.cat((-second, first), dim=-1) * sine).to(x.dtype)


def _norm(shape: Shape, config: Config) -> nn.LayerNorm:
    epsilon = config.positive("norm_eps", 1.0)
    return nn.LayerNorm(shape.hidden, eps=epsilon, bias=config.flag("norm_bias"))


class ModernBert(Encoder):
    """Word embeddings, normed; layers of global and local attention in turn; a norm at the end."""

    word_embeddings = "embeddings.tok_embeddings.weight"
    theirs: ClassVar = {
        "embedding_norm": ("embeddings.norm",),
        "norm": ("final_norm",),
        "layers.#.attention_norm": ("layers.#.attn_norm",),
        "layers.#.qkv": ("layers.#.attn.Wqkv",),
        "layers.#.out": ("layers.#.attn.Wo",),
        "layers.#.norm": ("layers.#.mlp_norm",),
        "layers.#.up": ("layers.#.mlp.Wi",),
        "layers.#.down": ("layers.#.mlp.Wo",),
    }

    def __init__(self, config: Config, rows: int) -> None:
        """Raises `EncoderError` for an activation or a kind of rotation that is not the usual."""
        config.require("hidden_activation", "gelu", default="gelu")
        shape = Shape.read(config)
        if shape.hidden // shape.heads % 2:
            raise EncoderError(
                f"{config.path}: a head has {shape.hidden // shape.heads} numbers; rotations turn "
                "pairs, so it must be even"
            )
        super().__init__(shape, rows)
        self.kinds = _layer_kinds(config, shape.layers)
        self.thetas = _thetas(config)
        self.window = config.count("local_attention", POSITIONS, default=128) // 2
        self.embedding_norm = _norm(shape, config)
        self.dropout = Dropout(config.share("embedding_dropout", 0.0))
        self.layers = nn.ModuleList(
            Layer(shape, config, kind, first=i == 0) for i, kind in enumerate(self.kinds)
        )
        self.norm = _norm(shape, config)

    def _states(self, batch: Batch) -> Iterator[torch.Tensor]:
        places = Places(batch, self.thetas, self.window, self.shape.hidden // self.shape.heads)
        x = self.dropout(self.embedding_norm(self.words(batch.ids)), batch.token_seeds)
        yield x
        for number, module in enumerate(self.layers, start=1):
            x = module(x, batch, places)
            yield self.norm(x) if number == len(self.layers) else x


def _layer_kinds(config: Config, layers: int) -> list[str]:
    """Of every layer; transformers 4 wrote how often a global one comes, 5 writes all of them."""
    every = config.count("global_attn_every_n_layers", LAYERS, default=3)
    default = [_LOCAL if i % every else _GLOBAL for i in range(layers)]
    kinds = config.get("layer_types", default)
    known = isinstance(kinds, list) and all(kind in (_GLOBAL, _LOCAL) for kind in kinds)
    if not known or len(kinds) != layers:
        raise EncoderError(
            f"{config.path}: layer_types must name each of {layers} layers {_GLOBAL} or {_LOCAL}"
        )
    return list(kinds)


def _thetas(config: Config) -> dict[str, float]:
    """The base of the rotations of each kind, as transformers 4 or 5 wrote it."""
    rope = config.get("rope_parameters", {})
    if not isinstance(rope, dict) or not all(isinstance(of, dict) for of in rope.values()):
        raise EncoderError(f"{config.path}: rope_parameters must be an object for each kind")
    for kind, values in rope.items():
        if (found := values.get("rope_type", "default")) != "default":
            raise EncoderError(
                f"{config.path}: rope_parameters.{kind}.rope_type is {found!r}; "
                "only 'default' is supported"
            )
    old = {
        _GLOBAL: config.positive("global_rope_theta", _LARGEST_THETA, 160_000.0),
        _LOCAL: config.positive("local_rope_theta", _LARGEST_THETA, 10_000.0),
    }
    thetas = {kind: rope.get(kind, {}).get("rope_theta", theta) for kind, theta in old.items()}
    for kind, theta in thetas.items():
        if type(theta) not in (int, float) or not 0 < theta <= _LARGEST_THETA:
            raise EncoderError(
                f"{config.path}: rope_parameters.{kind}.rope_theta is {theta!r:.60}; it must be a "
                f"number above 0 and up to {_LARGEST_THETA:g}"
            )
    return {kind: float(theta) for kind, theta in thetas.items()}


_LARGEST_THETA = 1e12
