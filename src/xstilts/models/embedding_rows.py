"""The rows of the embedding matrix that are in memory, and how token ids count in them.

A multilingual vocabulary has up to a million rows, of which a data set uses a fraction. So an
encoder in memory has only some of them: `EmbeddingRows` says which, replaces token ids by their
numbers among these rows, and reads their values. A checkpoint stores the rows that were trained
(`StoredEmbeddings`). Under AdamW every other row is only multiplied by a factor, the same for all
of them: no gradient and no moment reaches it, only weight decay.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from xstilts.models.batch import NumberedFeatures
from xstilts.models.network.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from xstilts.models.batch import Features
    from xstilts.models.network.base import Encoder


@dataclass
class StoredEmbeddings:
    """What a checkpoint stores of the embedding matrix.

    ``token_ids`` (n,) int64, sorted; ``embeddings`` (n, H) float32, their rows; ``decay``: the
    factor of all other rows of the encoder's matrix.
    """

    token_ids: torch.Tensor
    embeddings: torch.Tensor
    decay: float

    @staticmethod
    def from_training(
        rows: EmbeddingRows, embeddings: torch.Tensor, decay: float, start: StoredEmbeddings | None
    ) -> StoredEmbeddings:
        """After a training of ``rows``, which ended as ``embeddings`` (n, H).

        ``decay``: the factor of every other row in this training; ``start``: what the training
        started from.
        """
        if start is None:
            return StoredEmbeddings(rows.token_ids, embeddings.clone(), decay)
        token_ids = torch.unique(torch.cat([rows.token_ids, start.token_ids]))
        union = torch.empty(len(token_ids), embeddings.shape[1])
        untrained = (start.embeddings.double() * decay).float()
        union[torch.searchsorted(token_ids, start.token_ids)] = untrained
        union[torch.searchsorted(token_ids, rows.token_ids)] = embeddings
        return StoredEmbeddings(token_ids, union, start.decay * decay)


@dataclass(frozen=True, eq=False)
class EmbeddingRows:
    """Rows of an encoder's embedding matrix: ``token_ids`` (n,) int64, sorted and distinct."""

    token_ids: torch.Tensor

    @staticmethod
    def of(features: Iterable[Features]) -> EmbeddingRows:
        """The rows of all token ids that occur in some features."""
        used = np.unique(np.concatenate([f.tokens_used() for f in features]))
        return EmbeddingRows(torch.from_numpy(used.astype(np.int64)))

    @staticmethod
    def whole_vocabulary(folder: Path) -> EmbeddingRows:
        """Every row of the encoder in ``folder``."""
        return EmbeddingRows(torch.arange(Weights(folder).vocabulary))

    def __len__(self) -> int:
        """The number of rows, n."""
        return len(self.token_ids)

    def number(self, features: Features) -> NumberedFeatures:
        """The same features with every token id replaced by its index in ``token_ids``."""
        token_ids = self.token_ids.numpy()
        sequences = [np.searchsorted(token_ids, s).astype(np.int32) for s in features.sequences]
        return NumberedFeatures(replace(features, sequences=sequences))

    def read(self, folder: Path, stored: StoredEmbeddings | None) -> torch.Tensor:
        """The values (n, H) float32 of the rows, as a checkpoint left them.

        ``folder`` is the encoder's; with ``stored`` None they are the encoder's own.
        """
        embeddings = Weights(folder).words(self.token_ids)
        if stored is None:
            return embeddings
        embeddings = (embeddings.double() * stored.decay).float()
        is_stored = torch.isin(self.token_ids, stored.token_ids)
        index = torch.searchsorted(stored.token_ids, self.token_ids[is_stored])
        embeddings[is_stored] = stored.embeddings[index]
        return embeddings

    def load(self, encoder: Encoder, folder: Path, stored: StoredEmbeddings | None) -> None:
        """Give an encoder exactly these rows, not to be trained, on the device where it is."""
        device = encoder.words.weight.device
        embeddings = self.read(folder, stored).to(device)
        encoder.words.weight = nn.Parameter(embeddings, requires_grad=False)


class UntrainedRows:
    """Rows that a training does not touch, at any moment of it."""

    def __init__(
        self, folder: Path, start: StoredEmbeddings | None, token_ids: torch.Tensor
    ) -> None:
        """``start``: what the training started from; ``token_ids`` (n,): sorted."""
        self._embeddings = Weights(folder).words(token_ids).double()
        self._factors = torch.ones(len(token_ids), 1, dtype=torch.float64)
        if start is not None:
            self._factors *= start.decay
            is_stored = torch.isin(token_ids, start.token_ids)
            index = torch.searchsorted(start.token_ids, token_ids[is_stored])
            self._embeddings[is_stored] = start.embeddings[index].double()
            self._factors[is_stored] = 1.0

    def at(self, decay: float) -> torch.Tensor:
        """(n, H) float32: what `EmbeddingRows.read` reads from a checkpoint that is saved now.

        They agree bit for bit. ``decay``: the factor of all untrained rows so far.
        """
        return (self._embeddings * (self._factors * decay)).float()


class GrownRows:
    """The rows that development data need, of which a training trains only some."""

    def __init__(
        self,
        needed: EmbeddingRows,
        trained: EmbeddingRows,
        folder: Path,
        start: StoredEmbeddings | None,
    ) -> None:
        """``folder`` is the encoder's; ``start``: what the training started from."""
        self._is_trained = torch.isin(needed.token_ids, trained.token_ids)
        token_ids = needed.token_ids[self._is_trained]
        self._index = torch.searchsorted(trained.token_ids, token_ids)
        self._untrained = UntrainedRows(folder, start, needed.token_ids[~self._is_trained])

    @contextmanager
    def inside(self, encoder: Encoder, decay: float) -> Iterator[None]:
        """Give an encoder in training the needed rows; afterwards it has its trained ones again.

        The rows that are not trained are those of a checkpoint that would be saved now.
        """
        trained = encoder.words
        size = len(self._is_trained), trained.weight.shape[1]
        embeddings = trained.weight.new_empty(size)
        is_trained = self._is_trained.to(embeddings.device)
        with torch.no_grad():
            embeddings[is_trained] = trained.weight[self._index.to(embeddings.device)]
            embeddings[~is_trained] = self._untrained.at(decay).to(embeddings.device)
        encoder.words = nn.Embedding.from_pretrained(embeddings)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            encoder.words = trained
