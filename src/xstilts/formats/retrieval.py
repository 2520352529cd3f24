"""Retrieval without training: sentences are compared by their mean-pooled hidden states.

The vectors are means over all tokens, special ones included, of one layer (XTREME pools the 14th
of XLM-R Large's 24; an encoder's card says which), and are compared by cosine.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts.batching import Batch, Features, one_sequence_items
from xstilts.metrics.bitext import nearest_foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.examples import Example
    from xstilts.formats import Limits
    from xstilts.tokenization import Tokenizer

SCORERS = {"nearest": ("accuracy",)}


def encode(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Sequence[str],
    limits: Limits,
    *,
    training: bool,
) -> Features:
    """One sequence a sentence, cut at the longest length, which is counted."""
    room = limits.max_length - tokenizer.layout.single_specials
    tokens = tokenizer(e["text"] for e in examples)
    sequences = [tokenizer.single(t.ids[:room]) for t in tokens]
    counts = Counter(truncated=sum(len(t.ids) > room for t in tokens))
    lengths = [len(s) for s in sequences]
    return one_sequence_items(sequences, lengths, [None] * len(sequences), counts=+counts)


class Head(nn.Module):
    """Mean over the tokens of each sequence; it has no parameters."""

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S, H)."""
        sizes = torch.tensor(batch.lengths, device=hidden.device)
        return batch.padded(hidden.float(), 0.0).sum(1) / sizes[:, None]


def head(hidden: int, labels: Sequence[str]) -> nn.Module:
    """The pooling."""
    return Head()


def outputs(outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """One vector a sentence."""
    return list(outputs.cpu().numpy())


def decode(
    examples: Sequence[Example],
    features: Features,
    outputs: Sequence[np.ndarray],
    labels: Sequence[str],
    scorer: str,
) -> list[dict[str, Any]]:
    """The nearest candidate of every query by cosine; the first one on a tie."""
    queries = [i for i, e in enumerate(examples) if e["side"] == "query"]
    candidates = [i for i, e in enumerate(examples) if e["side"] == "candidate"]
    vectors = np.stack(list(outputs))
    best = nearest_foreign(vectors[queries], vectors[candidates])
    return [
        {
            "id": examples[q]["id"],
            "prediction": examples[candidates[b]]["id"],
            "gold": examples[q]["relevant"],
        }
        for q, b in zip(queries, best, strict=True)
    ]


def score(
    examples: Sequence[Example],
    predictions: Sequence[dict[str, Any]],
    scorer: str,
    language: str,
) -> tuple[int, dict[str, float]]:
    """Share of queries whose nearest candidate is a right one."""
    right = sum(p["prediction"] in p["gold"] for p in predictions)
    return len(predictions), {"accuracy": 100.0 * right / len(predictions)}
