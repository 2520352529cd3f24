"""Checkpoints: a trained encoder and its heads, stored as what differs from the encoder.

English training data touches a fraction of a multilingual vocabulary. The rows of the embedding
matrix that occurred are stored; every other row was only ever shrunk by weight decay, all by the
same factor, which is stored as one number. What is read back is exactly what training ended with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from xstilts import network
from xstilts.lineage import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

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

    def save(self, path: Path) -> None:
        """Write as safetensors, atomically; the same state gives the same bytes."""
        tensors = {f"body.{k}": v.clone() for k, v in self.body.items()}
        tensors |= {f"head.{k}": v.detach().cpu().clone() for k, v in self.heads.items()}
        tensors["words.rows"] = self.rows.to(torch.int32)
        tensors["words.values"] = self.values
        tensors["words.scale"] = torch.tensor([self.scale], dtype=torch.float64)
        with write_atomically(path) as temporary:
            save_file(tensors, temporary)

    @staticmethod
    def load(path: Path) -> Checkpoint:
        """Read a checkpoint written by `save`."""
        tensors = load_file(path)
        return Checkpoint(
            rows=tensors["words.rows"].long(),
            values=tensors["words.values"],
            scale=float(tensors["words.scale"]),
            body={k[5:]: v for k, v in tensors.items() if k.startswith("body.")},
            heads={k[5:]: v for k, v in tensors.items() if k.startswith("head.")},
        )

    def head(self, task: str) -> dict[str, torch.Tensor]:
        """The parameters of one task's head."""
        return {k[len(task) + 1 :]: v for k, v in self.heads.items() if k.startswith(f"{task}.")}


def words(folder: Path, checkpoint: Checkpoint | None, rows: torch.Tensor) -> torch.Tensor:
    """Rows (n,) of the embedding matrix, sorted ids, as the checkpoint left them: (n, H)."""
    values = network.Weights(folder).words(rows)
    if checkpoint is None:
        return values
    values = (values.double() * checkpoint.scale).float()
    here = torch.isin(rows, checkpoint.rows)
    values[here] = checkpoint.values[torch.searchsorted(checkpoint.rows, rows[here])]
    return values


def build(folder: Path, checkpoint: Checkpoint | None, rows: torch.Tensor) -> network.Encoder:
    """An encoder over these rows of the vocabulary, as the checkpoint left it."""
    encoder = network.blank(folder, len(rows))
    body = checkpoint.body if checkpoint else network.Weights(folder).body()
    with torch.no_grad():
        network.load_body(encoder, body)
        encoder.words.weight.copy_(words(folder, checkpoint, rows))
    return encoder


def after_training(
    encoder: network.Encoder,
    heads: dict[str, torch.Tensor],
    rows: torch.Tensor,
    shrunk: float,
    before: Checkpoint | None,
) -> Checkpoint:
    """The state after a training over ``rows`` in which every other row shrank by ``shrunk``."""
    now = encoder.words.weight.detach().cpu()
    body = network.body_tensors(encoder)
    if before is None:
        return Checkpoint(rows, now.clone(), shrunk, body, heads)
    union = torch.unique(torch.cat([rows, before.rows]))
    values = torch.empty(len(union), now.shape[1])
    earlier = (before.values.double() * shrunk).float()
    values[torch.searchsorted(union, before.rows)] = earlier
    values[torch.searchsorted(union, rows)] = now
    return Checkpoint(union, values, before.scale * shrunk, body, heads)
