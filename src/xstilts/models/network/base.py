"""What all architectures share: their interface, and reading a configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from xstilts.errors import EncoderError
from xstilts.provenance.files import parse_json, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xstilts.models.batch import Batch


class Config:
    """A folder's ``config.json``, typed; every error names the file and the key."""

    def __init__(self, folder: Path) -> None:
        """Read it; raises `EncoderError` where it is no JSON object."""
        self.path = folder / "config.json"
        try:
            values = parse_json(read_bytes(self.path))
        except (OSError, ValueError) as error:
            raise EncoderError(f"{self.path}: cannot be read ({error})") from error
        if not isinstance(values, dict):
            raise EncoderError(f"{self.path}: cannot be read (it is no JSON object)")
        self._values = values

    def __getitem__(self, key: str) -> Any:
        """A value that the configuration must have."""
        if key not in self._values:
            raise EncoderError(f"{self.path}: has no {key}")
        return self._values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A value that may be missing; null counts as missing."""
        value = self._values.get(key)
        return default if value is None else value

    def count(self, key: str, most: int, default: int | None = None) -> int:
        """A whole number from 1 to ``most``."""
        value = self[key] if default is None else self.get(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise self._error(key, value, f"a whole number from 1 to {most:,}")
        return value

    def share(self, key: str, default: float | None = None) -> float:
        """A number from 0 to less than 1, as of a dropout."""
        value = self[key] if default is None else self.get(key, default)
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise self._error(key, value, "a number from 0 to less than 1")
        return float(value)

    def positive(self, key: str, most: float, default: float | None = None) -> float:
        """A number above 0 and up to ``most``."""
        value = self[key] if default is None else self.get(key, default)
        if type(value) not in (int, float) or not 0 < value <= most:
            raise self._error(key, value, f"a number above 0 and up to {most:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        value = self.get(key, False)
        if not isinstance(value, bool):
            raise self._error(key, value, "true or false")
        return value

    def require(self, key: str, wanted: Any, default: Any = None) -> None:
        """Refuse a variant of the architecture that the code does not compute."""
        found = self.get(key, default)
        if found != wanted:
            raise EncoderError(f"{self.path}: {key} is {found!r}; only {wanted!r} is supported")

    def _error(self, key: str, value: Any, allowed: str) -> EncoderError:
        return EncoderError(f"{self.path}: {key} is {value!r:.60}; it must be {allowed}")


LAYERS, WIDTH, POSITIONS = 1000, 2**17, 2**20
"""The most that a network may have: far more than any, and few enough to be laid out at once."""


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
        """The keys that all architectures have.

        Raises `EncoderError` for sizes that do not fit each other, and for a decoder.
        """
        config.require("is_decoder", False, default=False)
        config.require("add_cross_attention", False, default=False)
        hidden = config.count("hidden_size", WIDTH)
        heads = config.count("num_attention_heads", hidden)
        if hidden % heads:
            raise EncoderError(
                f"{config.path}: hidden_size {hidden} is no multiple of num_attention_heads {heads}"
            )
        positions = config.count("max_position_embeddings", POSITIONS)
        if positions <= first_position:
            raise EncoderError(
                f"{config.path}: max_position_embeddings {positions} leaves no position: the first "
                f"is {first_position}"
            )
        return Shape(
            hidden=hidden,
            layers=config.count("num_hidden_layers", LAYERS),
            heads=heads,
            inner=config.count("intermediate_size", 8 * WIDTH),
            longest=positions - first_position,
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
