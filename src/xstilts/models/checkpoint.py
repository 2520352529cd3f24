"""Checkpoints: a trained encoder and its heads, stored as what differs from the encoder.

English training data touches a fraction of a multilingual vocabulary. The rows of the embedding
matrix that occurred are stored; every other row was only ever shrunk by weight decay, all by the
same factor, which is stored as one number. What is stored is told from the encoder's own numbers,
which are on disk anyway (`lossless`). What is read back is exactly what training ended with.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from xstilts.errors import EncoderError
from xstilts.models import delta_compression
from xstilts.models.network import registry, weights
from xstilts.provenance.digests import crc32
from xstilts.provenance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from xstilts.models.network.base import Encoder


FILE = "weights.safetensors"


@dataclass
class Checkpoint:
    """A trained state. ``rows`` (n,) sorted token ids, ``values`` (n, H) their embeddings,
    ``scale`` the factor of all other rows of the encoder's matrix, ``body`` and ``heads`` the
    other tensors (heads as ``<task>.<parameter>``)."""

    rows: torch.Tensor
    values: torch.Tensor
    scale: float
    body: dict[str, torch.Tensor]
    heads: dict[str, torch.Tensor] = field(default_factory=dict)

    def save(self, path: Path, encoder: Path) -> None:
        """Write as safetensors, atomically; the same state gives the same bytes.

        ``encoder`` is the folder of the encoder that all training began with. Every tensor is
        stored packed, as bytes; the file's metadata says its shape, whether the encoder has one of
        that name to tell it from, and a checksum of its numbers.
        """
        bases = _Bases(encoder, self.rows)
        names, values = zip(*self._named(), strict=True)
        from_encoder = [bases.of(name, value) for name, value in zip(names, values, strict=True)]
        packed = _in_threads(delta_compression.pack, values, from_encoder)
        tensors = dict(zip(names, map(torch.from_numpy, packed), strict=True))
        tensors["words.rows"] = self.rows.to(torch.int32)
        layout: dict[str, Any] = {
            name: {
                "shape": list(value.shape),
                "told_from_encoder": base is not None,
                "crc32": crc32([value.data]),
            }
            for name, value, base in zip(names, values, from_encoder, strict=True)
        }
        about_all = {"scale": self.scale.hex(), "tensors": layout}
        with write_atomically(path) as temporary:
            # one key: safetensors writes several in any order
            save_file(tensors, temporary, {"checkpoint": json.dumps(about_all, sort_keys=True)})

    def _named(self) -> Iterator[tuple[str, np.ndarray]]:
        yield "words.values", _numbers(self.values)
        yield from ((f"body.{name}", _numbers(tensor)) for name, tensor in self.body.items())
        yield from ((f"head.{name}", _numbers(tensor)) for name, tensor in self.heads.items())

    @staticmethod
    def load(path: Path, encoder: Path) -> Checkpoint:
        """Read a checkpoint written by `save` with the same encoder.

        Raises `EncoderError` where it is no such file, or the encoder is another one.
        """
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("checkpoint", "{}"))
            if not about:
                raise EncoderError(f"{path}: is no checkpoint of this version; train it anew")
            rows = torch.from_numpy(file.get_tensor("words.rows")).long()
            bases = _Bases(encoder, rows)
            names, layout = list(about["tensors"]), list(about["tensors"].values())
            values = _in_threads(
                delta_compression.unpack,
                [file.get_tensor(name) for name in names],
                [tuple(says["shape"]) for says in layout],
                [
                    bases.named(n) if s["told_from_encoder"] else None
                    for n, s in zip(names, layout, strict=True)
                ],
            )
        for name, says, value in zip(names, layout, values, strict=True):
            if crc32([value.data]) != says["crc32"]:
                raise EncoderError(f"{path}: {name} was stored from another {encoder}")
        found = dict(zip(names, map(torch.from_numpy, values), strict=True))
        return Checkpoint(
            rows=rows,
            values=found["words.values"],
            scale=float.fromhex(about["scale"]),
            body={k[5:]: v for k, v in found.items() if k.startswith("body.")},
            heads={k[5:]: v for k, v in found.items() if k.startswith("head.")},
        )

    def head(self, task: str) -> dict[str, torch.Tensor]:
        """The parameters of one task's head."""
        return {k[len(task) + 1 :]: v for k, v in self.heads.items() if k.startswith(f"{task}.")}


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().contiguous().numpy()


def _in_threads(work: Callable[..., np.ndarray], *columns: Sequence[Any]) -> list[np.ndarray]:
    """One tensor a thread: numpy and Zstandard let go of Python's lock."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, *columns))


class _Bases:
    """The encoder's own tensors, by the names that a checkpoint's have."""

    def __init__(self, encoder: Path, rows: torch.Tensor) -> None:
        self._weights, self._rows = weights.Weights(encoder), rows
        self._body = self._weights.body()

    def named(self, name: str) -> np.ndarray | None:
        if name == "words.values":
            return self._weights.words(self._rows).numpy()
        kind, _, name = name.partition(".")
        if kind != "body" or name not in self._body:
            return None
        return self._body[name].float().numpy()

    def of(self, name: str, value: np.ndarray) -> np.ndarray | None:
        """What a tensor is told from; None where the encoder has none of its name and shape."""
        base = self.named(name)
        return base if base is not None and base.shape == value.shape else None


def words(folder: Path, checkpoint: Checkpoint | None, rows: torch.Tensor) -> torch.Tensor:
    """Rows (n,) of the embedding matrix, sorted ids, as the checkpoint left them: (n, H)."""
    values = weights.Weights(folder).words(rows)
    if checkpoint is None:
        return values
    values = (values.double() * checkpoint.scale).float()
    here = torch.isin(rows, checkpoint.rows)
    values[here] = checkpoint.values[torch.searchsorted(checkpoint.rows, rows[here])]
    return values


class Untrained:
    """Rows of the embedding matrix that a training does not touch, at any moment of it."""

    def __init__(self, folder: Path, before: Checkpoint | None, rows: torch.Tensor) -> None:
        """``before``: what the training started from; ``rows`` (n,) sorted ids."""
        self._values = weights.Weights(folder).words(rows).double()
        self._scales = torch.ones(len(rows), 1, dtype=torch.float64)
        if before is not None:
            self._scales *= before.scale
            here = torch.isin(rows, before.rows)
            where = torch.searchsorted(before.rows, rows[here])
            self._values[here] = before.values[where].double()
            self._scales[here] = 1.0

    def now(self, shrunk: float) -> torch.Tensor:
        """(n, H): bit for bit what `words` reads from a checkpoint that is saved now."""
        return (self._values * (self._scales * shrunk)).float()


def build(folder: Path, checkpoint: Checkpoint | None, rows: torch.Tensor) -> Encoder:
    """An encoder over these rows of the vocabulary, as the checkpoint left it."""
    encoder = registry.blank(folder, len(rows))
    body = checkpoint.body if checkpoint else weights.Weights(folder).body()
    with torch.no_grad():
        weights.load_body(encoder, body)
        encoder.words.weight.copy_(words(folder, checkpoint, rows))
    return encoder


def after_training(
    encoder: Encoder,
    heads: dict[str, torch.Tensor],
    rows: torch.Tensor,
    shrunk: float,
    before: Checkpoint | None,
) -> Checkpoint:
    """The state after a training over ``rows`` in which every other row shrank by ``shrunk``."""
    now = encoder.words.weight.detach().cpu()
    body = weights.body_tensors(encoder)
    if before is None:
        return Checkpoint(rows, now.clone(), shrunk, body, heads)
    union = torch.unique(torch.cat([rows, before.rows]))
    values = torch.empty(len(union), now.shape[1])
    earlier = (before.values.double() * shrunk).float()
    values[torch.searchsorted(union, before.rows)] = earlier
    values[torch.searchsorted(union, rows)] = now
    return Checkpoint(union, values, before.scale * shrunk, body, heads)
