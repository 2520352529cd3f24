"""Retrieval: texts are compared by their mean-pooled hidden states.

The vectors are means over all tokens, special ones included, of one layer (XTREME pools the 14th
of XLM-R Large's 24; an encoder's card says which), and are compared by cosine. Nothing of this is
trained: a target is read from whatever checkpoint there is, with this pooling for a head. Scorers:

- ``nearest`` (Tatoeba): each query takes its nearest candidate.
- ``bucc`` (BUCC 2018): pairs are mined by margin, and those above a threshold are kept.
- ``map20`` (LAReQA, Mewsli-X): each query ranks its 20 nearest candidates.
"""

from __future__ import annotations

from collections import Counter
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts.batching import Batch, Features, one_sequence_items
from xstilts.errors import DataError, unknown
from xstilts.metrics.bitext import (
    Candidate,
    Side,
    mine,
    nearest_foreign,
    pair_score,
    tune_threshold,
)
from xstilts.metrics.ranking import mean_average_precision, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.examples import Example
    from xstilts.formats import Limits
    from xstilts.tokenization import Tokenizer

SCORERS = {
    "nearest": ("accuracy",),
    "bucc": ("f1", "precision", "recall"),
    "map20": ("map_at_20",),
}
TUNED = ("bucc",)
"""Scorers whose threshold is chosen before it is applied."""


def parts(examples: Sequence[Example]) -> list[list[int]]:
    """Queries and candidates apart: the languages of a target may share their candidates."""
    query = [e["side"] == "query" for e in examples]
    places = range(len(examples))
    return [list(compress(places, query)), list(compress(places, [not q for q in query]))]


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
    """What the queries found: the nearest candidate, the twenty nearest, or the mined pairs.

    Of equals the first one is taken. Mined pairs, best first, have a ``score`` and are all there
    are with a positive margin: `tuned` says which are kept.
    """
    queries, candidates = (
        [(e, o) for e, o in zip(examples, outputs, strict=True) if e["side"] == side]
        for side in ("query", "candidate")
    )
    if not queries or not candidates:
        raise DataError("retrieval needs at least one query and one candidate")
    found, pool = (np.stack([o for _, o in side]) for side in (queries, candidates))
    names = [e["id"] for e, _ in candidates]
    if scorer == "bucc":
        return _mined(queries, candidates, found, pool)
    if scorer == "map20":
        answers: list[Any] = rank(found, pool, names)
    elif scorer == "nearest":
        answers = [names[best] for best in nearest_foreign(found, pool)]
    else:
        raise DataError(unknown("scorer", scorer, SCORERS))
    return [
        {"id": query["id"], "prediction": answer, "gold": query["relevant"]}
        for (query, _), answer in zip(queries, answers, strict=True)
    ]


def _mined(
    queries: Sequence[tuple[Example, np.ndarray]],
    candidates: Sequence[tuple[Example, np.ndarray]],
    found: np.ndarray,
    pool: np.ndarray,
) -> list[dict[str, Any]]:
    gold = {query["id"]: query["relevant"] for query, _ in queries}
    source, target = (
        Side([e["id"] for e, _ in side], [e["text"] for e, _ in side], vectors)
        for side, vectors in ((queries, found), (candidates, pool))
    )
    return [
        {"id": c.source, "prediction": c.target, "gold": gold[c.source], "score": c.score}
        for c in mine(source, target)
    ]


def tune(examples: Sequence[Example], predictions: Sequence[dict[str, Any]]) -> float:
    """The threshold with the best F1 for these examples' mined pairs."""
    candidates = [Candidate(p["score"], p["id"], p["prediction"]) for p in predictions]
    return tune_threshold(candidates, _pairs(examples))


def tuned(predictions: Sequence[dict[str, Any]], threshold: float) -> list[dict[str, Any]]:
    """The mined pairs with ``kept``: whether their score is at least the threshold."""
    return [p | {"kept": p["score"] >= threshold} for p in predictions]


def _pairs(examples: Sequence[Example]) -> set[tuple[str, str]]:
    return {(e["id"], name) for e in examples if e["side"] == "query" for name in e["relevant"]}


def score(
    examples: Sequence[Example],
    predictions: Sequence[dict[str, Any]],
    scorer: str,
    language: str,
) -> tuple[int, dict[str, float]]:
    """Accuracy over queries, F1 over pairs, or mean average precision at 20 over queries."""
    if scorer == "bucc":
        gold = _pairs(examples)
        kept = ((p["id"], p["prediction"]) for p in predictions if p["kept"])
        return len(gold), pair_score(gold, kept)._asdict()
    if scorer == "map20":
        relevant = {p["id"]: p["gold"] for p in predictions}
        ranked = {p["id"]: p["prediction"] for p in predictions}
        return len(relevant), {"map_at_20": mean_average_precision(relevant, ranked)}
    right = sum(p["prediction"] in p["gold"] for p in predictions)
    return len(predictions), {"accuracy": 100.0 * right / len(predictions)}
