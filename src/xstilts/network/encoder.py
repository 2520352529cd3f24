"""What all architectures share: the interface, attention, reading a configuration."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from xstilts.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.batching import Batch
    from xstilts.dropout import AttentionDropout


class Config:
    """A folder's ``config.json``; every error names the file and the key."""

    def __init__(self, folder: Path) -> None:
        """Read it; raises `EncoderError` where it is no JSON object."""
        self.path = folder / "config.json"
        try:
            self._values = dict(json.loads(self.path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise EncoderError(f"{self.path}: cannot be read ({error})") from error

    def __getitem__(self, key: str) -> Any:
        """A value that must be there."""
        if key not in self._values:
            raise EncoderError(f"{self.path}: has no {key}")
        return self._values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A value that may be missing; null counts as missing."""
        value = self._values.get(key)
        return default if value is None else value

    def require(self, key: str, wanted: Any, default: Any = None) -> None:
        """Refuse a variant of the architecture that the code does not compute."""
        found = self.get(key, default)
        if found != wanted:
            raise EncoderError(f"{self.path}: {key} is {found!r}; only {wanted!r} is supported")


@dataclass(frozen=True)
class Shape:
    """The size of a network. ``longest``: tokens that one sequence may have."""

    hidden: int
    layers: int
    heads: int
    inner: int
    longest: int

    @staticmethod
    def read(config: Config, first_position: int = 0) -> Shape:
        """The keys that all architectures have."""
        return Shape(
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            longest=config["max_position_embeddings"] - first_position,
        )


class Encoder(nn.Module, ABC):
    """A network, over the rows of the embedding matrix that the data at hand needs.

    Token ids in a batch are indices into ``words``, an embedding of those rows.
    """

    words: nn.Embedding
    word_embeddings: str
    """The Hugging Face name of the matrix that ``words`` holds rows of."""

    def __init__(self, shape: Shape, rows: int) -> None:
        """Nothing is initialised: weights are to be loaded."""
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(rows, shape.hidden)

    def forward(self, batch: Batch, layer: int | None = None) -> torch.Tensor:
        """The hidden states (T, H) after ``layer`` layers; None means all, 0 the embeddings."""
        wanted = islice(self.states(batch), None if layer is None else layer + 1)
        return deque(wanted, maxlen=1).pop()

    def states(self, batch: Batch) -> Iterator[torch.Tensor]:
        """The hidden states (T, H) of the embeddings and then of every layer, one by one.

        A layer is computed when it is asked for, and nothing that was given is kept: pooling each
        state as it comes costs one forward pass and the memory of one. The last state is the
        network's output, with its final norm where the architecture has one.
        """
        if batch.longest > self.shape.longest:
            raise EncoderError(
                f"a sequence of {batch.longest} tokens; this encoder takes {self.shape.longest}"
            )
        return self._states(batch)

    @abstractmethod
    def _states(self, batch: Batch) -> Iterator[torch.Tensor]: ...

    @abstractmethod
    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Our parameter and the Hugging Face tensors that it joins, word embeddings left out."""


def split_heads(qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value (S, heads, L, H / heads) out of one product (S, L, 3H)."""
    s, length, width = qkv.shape
    parts = qkv.view(s, length, 3, heads, width // 3 // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)
    return query, key, value


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: AttentionDropout,
    batch: Batch,
    scale: float | None = None,
) -> torch.Tensor:
    """Attention over (S, heads, L, D): torch's kernel, on a GPU the fastest that fits the mask.

    ``mask`` broadcasts to (S, heads, L, L): true where a key is seen, or numbers that are added
    to the scores; without one a GPU can take its flash kernel. No kernel can be told which weights
    to drop: with dropout they are computed here, in float32. Gives (S, L, heads * D).
    """
    if dropout.active:
        context = _attend_with_dropout(query, key, value, mask, dropout, batch, scale)
    else:
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    return context.transpose(1, 2).flatten(2)


def _attend_with_dropout(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: AttentionDropout,
    batch: Batch,
    scale: float | None,
) -> torch.Tensor:
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    noise = dropout.noise(batch)
    together = _sequences_together(query)
    parts = []
    for begin in range(0, len(query), together):
        part = slice(begin, begin + together)
        scores = (query[part] @ key[part].transpose(-1, -2)).float()
        if mask is not None:
            seen = mask if len(mask) == 1 else mask[part]
            boolean = seen.dtype == torch.bool
            scores = scores.masked_fill(~seen, -math.inf) if boolean else scores + seen
        weights = torch.softmax(scores, -1).to(value.dtype)
        parts.append(dropout(weights, noise[part]) @ value[part])
    return torch.cat(parts) * dropout.scale


def _sequences_together(query: torch.Tensor) -> int:
    """Sequences whose attention weights are computed at once: on a CPU what its caches hold.

    Twice as fast for sequences of 256 tokens (12 heads) as all sixteen at once.
    """
    sequences, heads, length, _ = query.shape
    if query.device.type != "cpu":
        return sequences
    return max(1, 2**20 // (heads * length**2))


def keys_seen(batch: Batch) -> torch.Tensor | None:
    """The mask (S, 1, 1, L) that hides padding, or None when nothing is padded."""
    return None if batch.mask is None else batch.mask[:, None, None, :]
