"""What all architectures share: their interface, and reading a configuration."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from xstilts.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.models.batch import Batch


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
        """A value that the configuration must have."""
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
    note = ""
    """What the log of a training should say of this network."""
    theirs: ClassVar[Mapping[str, tuple[str, ...]]]
    """The Hugging Face modules that each of ours joins; ``#`` is the number of a layer."""

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

        A layer is computed when the caller asks for it, and none is kept: pooling each
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

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Our parameter and the Hugging Face tensors that it joins, word embeddings left out."""
        for ours, _ in self.named_parameters():
            module, _, kind = ours.rpartition(".")
            if module == "words":
                continue
            parts = module.split(".")
            number = next(filter(str.isdigit, parts), "")
            joined = self.theirs[".".join("#" if part.isdigit() else part for part in parts)]
            yield ours, tuple(f"{name.replace('#', number)}.{kind}" for name in joined)
