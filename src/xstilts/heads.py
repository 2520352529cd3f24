"""Heads: what is put on an encoder for a task. Always new at the start of a stage."""

from __future__ import annotations

import torch
from torch import nn


class SentenceHead(nn.Module):
    """dense -> tanh -> dropout -> linear on the first token (RoBERTa's classification head)."""

    def __init__(self, hidden: int, outputs: int, dropout: float = 0.1) -> None:
        """``outputs`` numbers per sequence."""
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, first: torch.Tensor) -> torch.Tensor:
        """(S, H) -> (S, outputs)."""
        x = self.dropout(torch.tanh(self.dense(self.dropout(first))))
        return self.out(x)  # type: ignore[no-any-return]


class TokenHead(nn.Module):
    """dropout -> linear on tokens (BERT's token classification and question answering heads)."""

    def __init__(self, hidden: int, outputs: int, dropout: float = 0.1) -> None:
        """``outputs`` numbers per token."""
        super().__init__()
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, H) -> (N, outputs)."""
        return self.out(self.dropout(tokens))  # type: ignore[no-any-return]


def initialise(head: nn.Module, generator: torch.Generator) -> None:
    """BERT's initialisation: weights from N(0, 0.02), biases zero, in the order of the names."""
    with torch.no_grad():
        for name, parameter in sorted(head.named_parameters()):
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
