"""Checkpoints: a trained encoder and its heads, stored as what differs from the encoder.

English training data touches a fraction of a multilingual vocabulary. The rows of the embedding
matrix that occurred are stored; weight decay multiplied every other row by the same factor, which
is stored as one number (`embedding_rows`). Tensors are stored as differences from the encoder's
own, which are on disk anyway (`delta_compression`). `Checkpoint.load` gives exactly the bits that
`save` was given.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xstilts.errors import EncoderError
from xstilts.models import delta_compression
from xstilts.models.embedding_rows import StoredEmbeddings
from xstilts.models.network import registry, weights
from xstilts.provenance.digests import crc32
from xstilts.provenance.files import parse_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from xstilts.models.embedding_rows import EmbeddingRows
    from xstilts.models.network.base import Encoder


FILE = "weights.safetensors"
_DAMAGED = (
    *(SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError),
    MemoryError,  # of a shape that the file's bytes cannot fill
)
"""What reading a file of other bytes than `Checkpoint.save` writes may raise."""


@dataclass
class Checkpoint:
    """A trained state: its embeddings, and its other tensors by name.

    ``body``: the encoder's tensors, named as Hugging Face names them; ``heads``: those of all
    heads, named ``<task>.<parameter>``.
    """

    embeddings: StoredEmbeddings
    body: dict[str, torch.Tensor]
    heads: dict[str, torch.Tensor] = field(default_factory=dict)

    def save(self, path: Path, encoder: Path) -> None:
        """Write as safetensors, atomically; the same state gives the same bytes.

        ``encoder`` is the folder of the encoder that all training began with. Every tensor is
        stored packed, as bytes; the file's metadata has its shape, whether it is stored as the
        difference from the encoder's tensor of that name, and the CRC-32 of its numbers.
        """
        bases = _EncoderTensors(encoder, self.embeddings.token_ids)
        names, values = zip(*self._named(), strict=True)
        from_encoder = [bases.of(name, value) for name, value in zip(names, values, strict=True)]
        packed = _in_threads(delta_compression.pack, values, from_encoder)
        tensors = dict(zip(names, map(torch.from_numpy, packed), strict=True))
        tensors["words.rows"] = self.embeddings.token_ids.to(torch.int32)
        layout: dict[str, Any] = {
            name: {
                "shape": list(value.shape),
                "told_from_encoder": base is not None,
                "crc32": crc32([value.data]),
            }
            for name, value, base in zip(names, values, from_encoder, strict=True)
        }
        metadata = {"scale": self.embeddings.decay.hex(), "tensors": layout}
        with write_atomically(path) as temporary:
            # one key: safetensors writes several in any order
            save_file(tensors, temporary, {"checkpoint": json.dumps(metadata, sort_keys=True)})

    def _named(self) -> Iterator[tuple[str, np.ndarray]]:
        yield "words.values", _numbers(self.embeddings.embeddings)
        yield from ((f"body.{name}", _numbers(tensor)) for name, tensor in self.body.items())
        yield from ((f"head.{name}", _numbers(tensor)) for name, tensor in self.heads.items())

    @staticmethod
    def load(path: Path, encoder: Path) -> Checkpoint:
        """Read a checkpoint written by `save` with the same encoder.

        Raises `EncoderError` where the file is not a checkpoint or the encoder is another one.
        """
        try:
            return Checkpoint._read(path, encoder)
        except _DAMAGED as error:
            raise EncoderError(
                f"{path}: not a readable checkpoint ({error!r:.200}); delete it and run snakemake "
                "again"
            ) from error

    @staticmethod
    def _read(path: Path, encoder: Path) -> Checkpoint:
        with safe_open(path, framework="np") as file:
            metadata = parse_json((file.metadata() or {}).get("checkpoint", "{}"))
            if not metadata:
                raise EncoderError(
                    f"{path}: not a checkpoint of this version; delete it and run snakemake again"
                )
            token_ids = torch.from_numpy(file.get_tensor("words.rows")).long()
            bases = _EncoderTensors(encoder, token_ids)
            names, layout = list(metadata["tensors"]), list(metadata["tensors"].values())
            values = _in_threads(
                delta_compression.unpack,
                [file.get_tensor(name) for name in names],
                [tuple(about["shape"]) for about in layout],
                [
                    bases.named(name) if about["told_from_encoder"] else None
                    for name, about in zip(names, layout, strict=True)
                ],
            )
        for name, about, value in zip(names, layout, values, strict=True):
            if crc32([value.data]) != about["crc32"]:
                raise EncoderError(f"{path}: {name} was stored from another {encoder}")
        tensors = dict(zip(names, map(torch.from_numpy, values), strict=True))
        decay = float.fromhex(metadata["scale"])
        return Checkpoint(
            StoredEmbeddings(token_ids, tensors["words.values"], decay),
            body={k[5:]: v for k, v in tensors.items() if k.startswith("body.")},
            heads={k[5:]: v for k, v in tensors.items() if k.startswith("head.")},
        )

    @staticmethod
    def from_training(
        encoder: Encoder,
        heads: dict[str, torch.Tensor],
        rows: EmbeddingRows,
        decay: float,
        start: Checkpoint | None,
    ) -> Checkpoint:
        """The state after a training of ``rows``, in which every other row decayed by ``decay``.

        ``start``: the checkpoint that the training started from.
        """
        embeddings = encoder.words.weight.detach().cpu()
        stored = start.embeddings if start else None
        return Checkpoint(
            StoredEmbeddings.from_training(rows, embeddings, decay, stored),
            weights.body_tensors(encoder),
            heads,
        )

    def head(self, task: str) -> dict[str, torch.Tensor]:
        """The parameters of one task's head."""
        return {k[len(task) + 1 :]: v for k, v in self.heads.items() if k.startswith(f"{task}.")}


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().contiguous().numpy()


def _in_threads(work: Callable[..., np.ndarray], *columns: Sequence[Any]) -> list[np.ndarray]:
    """Run ``work`` on the columns, one tensor a thread: numpy and Zstandard release the GIL."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, *columns))


class _EncoderTensors:
    """The encoder's own tensors, by the names that a checkpoint's have."""

    def __init__(self, encoder: Path, token_ids: torch.Tensor) -> None:
        self._weights, self._token_ids = weights.Weights(encoder), token_ids
        self._body = self._weights.body()

    def named(self, name: str) -> np.ndarray | None:
        if name == "words.values":
            return self._weights.words(self._token_ids).numpy()
        kind, _, name = name.partition(".")
        if kind != "body" or name not in self._body:
            return None
        return self._body[name].float().numpy()

    def of(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """The encoder's tensor of this name; None where it has none, or one of another shape."""
        base = self.named(name)
        return base if base is not None and base.shape == value.shape else None


def build(folder: Path, checkpoint: Checkpoint | None, rows: EmbeddingRows) -> Encoder:
    """An encoder with these rows of the vocabulary, as the checkpoint left it.

    ``folder`` is the encoder's; with ``checkpoint`` None it is the encoder as it was pretrained.
    """
    encoder = registry.blank(folder, len(rows))
    body = checkpoint.body if checkpoint else weights.Weights(folder).body()
    with torch.no_grad():
        weights.load_body(encoder, body)
        stored = checkpoint.embeddings if checkpoint else None
        encoder.words.weight.copy_(rows.read(folder, stored))
    return encoder
