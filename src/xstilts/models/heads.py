"""Heads: the layers that a task puts on an encoder. A stage starts with new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from xstilts.models.dropout import Dropout, name_dropout_layers

if TYPE_CHECKING:
    from xstilts.models.batch import Batch


class SentenceHead(nn.Module):
    """dense -> tanh -> dropout -> linear on first tokens (RoBERTa's classification head)."""

    def __init__(self, hidden: int, outputs: int, dropout: float = 0.1) -> None:
        """``outputs`` numbers per sequence."""
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.first_dropout = Dropout(dropout)
        self.dense_dropout = Dropout(dropout)
        name_dropout_layers(self, "head")

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S, outputs)."""
        seeds = None if batch.token_seeds is None else batch.token_seeds[batch.first]
        x = self.first_dropout(hidden[batch.first], seeds)
        x = self.dense_dropout(torch.tanh(self.dense(x)), seeds)
        return self.out(x)  # type: ignore[no-any-return]


class TokenHead(nn.Module):
    """dropout -> linear on tokens (BERT's token classification and question answering heads)."""

    def __init__(self, hidden: int, outputs: int, dropout: float = 0.1) -> None:
        """``outputs`` numbers per token."""
        super().__init__()
        self.out = nn.Linear(hidden, outputs)
        self.dropout = Dropout(dropout)
        name_dropout_layers(self, "head")

    def forward(
        self, hidden: torch.Tensor, batch: Batch, index: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(T, H) -> (N, outputs) of the tokens ``index`` (N,), by default all of them."""
        seeds = batch.token_seeds
        if index is not None:
            hidden, seeds = hidden[index], None if seeds is None else seeds[index]
        return self.out(self.dropout(hidden, seeds))  # type: ignore[no-any-return]


def place_losses(
    scores: torch.Tensor, gold: torch.Tensor, batch: Batch, smoothing: float
) -> torch.Tensor:
    """Cross entropies (S, K) of K places over the tokens of each sequence.

    ``scores`` (T, K), ``gold`` (S, K) places; of the target, ``smoothing`` is shared by all tokens.
    """
    padded = batch.padded(scores.float(), float("-inf"))  # (S, L, K)
    wanted = padded.gather(1, gold[:, None, :]).squeeze(1)
    if smoothing:
        means = batch.padded(scores.float(), 0.0).sum(1) / batch.sizes[:, None]
        wanted = (1 - smoothing) * wanted + smoothing * means
    return padded.logsumexp(1) - wanted


def initialise(head: nn.Module, generator: torch.Generator) -> None:
    """BERT's initialisation: weights from N(0, 0.02), biases zero, in the order of the names."""
    with torch.no_grad():
        for name, parameter in sorted(head.named_parameters()):
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
