"""Weights by the names that a Hugging Face folder gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from xstilts.errors import EncoderError
from xstilts.models.network.conversion import conversion_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xstilts.models.network.base import Encoder

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
MODERNBERTS_WORD_EMBEDDINGS = "embeddings.tok_embeddings.weight"


def load_body(encoder: Encoder, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fill everything but the word embeddings from tensors with Hugging Face names."""
    state = encoder.state_dict()
    for ours, theirs in encoder.names():
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
        for ours, theirs in encoder.names()
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True)
    }


def check(encoder: Encoder, weights: Weights) -> None:
    """Raise `EncoderError` where a folder's tensors are not those that its network needs."""
    shapes, state = weights.shapes(), encoder.state_dict()
    for ours, theirs in encoder.names():
        missing = [name for name in theirs if name not in shapes]
        if missing:
            raise EncoderError(f"the weights lack {missing[0]}")
        rows = sum(sum(shapes[name][:1]) for name in theirs)
        rest = {shapes[name][1:] for name in theirs}
        if rest != {tuple(state[ours].shape)[1:]} or rows != state[ours].shape[0]:
            raise EncoderError(
                f"{theirs[0]}: shape {shapes[theirs[0]]} does not fit config.json's network"
            )
    width = shapes.get(encoder.word_embeddings, ())[1:]
    if width != (encoder.words.embedding_dim,):
        raise EncoderError(f"the weights lack {encoder.word_embeddings}, or its rows are too short")


def are_converted(folder: Path) -> bool:
    """Whether `automodel.convert` wrote a folder's weights; False where it has none yet."""
    path = folder / "model.safetensors"
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return conversion_of(file.metadata()) is not None
    except SafetensorError as error:
        raise EncoderError(f"{path}: cannot be read ({error})") from error


class Weights:
    """The tensors of a Hugging Face folder, memory-mapped: a row is read on demand."""

    def __init__(self, folder: Path) -> None:
        """Open ``model.safetensors``; a pickle (``pytorch_model.bin``) is never opened."""
        path = folder / "model.safetensors"
        if not path.is_file():
            raise EncoderError(f"{path}: missing; only safetensors weights are read, never pickles")
        self._file = safe_open(path, framework="pt")
        keys: list[str] = list(self._file.keys())  # type: ignore[no-untyped-call]
        record = conversion_of(self._file.metadata())  # type: ignore[no-untyped-call]
        self._keys = {key if record else _bare(key): key for key in keys}
        ours = (WORD_EMBEDDINGS, MODERNBERTS_WORD_EMBEDDINGS)
        places = (record.word_embeddings,) if record else ours
        self.word_embeddings = next((name for name in places if name in self._keys), None)
        """The name of the matrix of word embeddings; None where the file lacks it."""
        if len(self._keys) < len(keys):
            twice = next(key for key in keys if self._keys[_bare(key)] != key)
            raise EncoderError(f"{path}: has {_bare(twice)} twice, with and without a prefix")

    def body(self) -> Mapping[str, torch.Tensor]:
        """Every tensor but the word embeddings, by its name without the model's prefix."""
        return _Body(self)

    def words(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n,) of the word embeddings as float32 (n, E)."""
        return self._tensor(self._words_name()).index_select(0, rows).float()

    @property
    def vocabulary(self) -> int:
        """Rows of the word embeddings."""
        return self.shapes()[self._words_name()][0]

    def _words_name(self) -> str:
        if self.word_embeddings is None:
            raise EncoderError(f"the weights lack {WORD_EMBEDDINGS}")
        return self.word_embeddings

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by its name without the model's prefix; reads no tensor."""
        return {
            name: tuple(self._file.get_slice(key).get_shape())  # type: ignore[no-untyped-call]
            for name, key in self._keys.items()
        }

    def types(self) -> dict[str, str]:
        """The type of every tensor's numbers, as safetensors names it; reads no tensor."""
        return {
            name: self._file.get_slice(key).get_dtype()  # type: ignore[no-untyped-call]
            for name, key in self._keys.items()
        }

    def _tensor(self, name: str) -> torch.Tensor:
        return self._file.get_tensor(self._keys[name])  # type: ignore[no-any-return, no-untyped-call]


class _Body(Mapping[str, torch.Tensor]):
    """Reads a tensor on demand: the head for language modelling is never read."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._weights._tensor(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._weights._keys if name != self._weights.word_embeddings)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _bare(key: str) -> str:
    for prefix in ("bert.", "roberta.", "deberta.", "model."):
        key = key.removeprefix(prefix)
    # the names that Google's BERT checkpoints still have
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )
