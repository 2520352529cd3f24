"""Retrieval: texts are compared by their mean-pooled hidden states.

The vectors are means over all tokens, special ones included, of one layer (XTREME pools the 14th
of XLM-R Large's 24; an encoder's card says which), and are compared by cosine. Most targets are
read from whatever checkpoint there is, with this pooling for a head; a task with a train split
(Mewsli-X) trains the encoder as a dual encoder, pooled after its last layer. Scorers:

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
from torch.nn import functional as F

from xstilts.errors import DataError, TrainingError, unknown
from xstilts.metrics.bitext import (
    Side,
    mine,
    nearest_foreign,
)
from xstilts.metrics.ranking import rank
from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.tasks.base import TaskModel
from xstilts.tasks.nearest_neighbours import nearest
from xstilts.tasks.retrieval.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow


def _pairs_to_train(
    examples: Sequence[Example], sequences: Sequence[np.ndarray], counts: Counter[str]
) -> Features:
    place = {e["id"]: i for i, e in enumerate(examples) if e["side"] == "candidate"}
    queries = [(i, e["relevant"]) for i, e in enumerate(examples) if e["side"] == "query"]
    pairs = [(i, place[names[0]]) for i, names in queries if names and names[0] in place]
    counts["without_a_candidate"] = len(queries) - len(pairs)
    both = [sequences[i] for pair in pairs for i in pair]
    return Features(
        both,
        np.array([len(s) for s in both], dtype=np.int64),
        np.arange(0, len(both) + 1, 2),
        np.ones(len(pairs)),
        [examples[candidate]["id"] for _, candidate in pairs],
        +counts,
    )


class Head(nn.Module):
    """Mean over the tokens of each sequence; it has no parameters."""

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S, H)."""
        return batch.padded(hidden.float(), 0.0).sum(1) / batch.sizes[:, None]


SCALE = 20.0
"""What cosines are multiplied by before the softmax (our choice: papers do not say theirs)."""


def _mined(
    queries: Sequence[tuple[Example, np.ndarray]],
    candidates: Sequence[tuple[Example, np.ndarray]],
) -> list[dict[str, Any]]:
    gold = {query["id"]: query["relevant"] for query, _ in queries}
    source, target = (
        Side([e["id"] for e, _ in side], [e["text"] for e, _ in side], [o for _, o in side])
        for side in (queries, candidates)
    )
    return [
        {"id": c.source, "prediction": c.target, "gold": gold[c.source], "score": c.score}
        for c in mine(source, target, search=nearest)
    ]


class RetrievalModel(TaskModel):
    """Pooled hidden states, compared by cosine."""

    schema = SCHEMA
    needs_whole_batch = True  # the other items of a step are a query's wrong answers

    def parts(self, examples: Sequence[Example]) -> list[list[int]]:
        """Queries and candidates apart: the languages of a target may share their candidates."""
        query = [e["side"] == "query" for e in examples]
        places = range(len(examples))
        return [list(compress(places, query)), list(compress(places, [not q for q in query]))]

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """One sequence a sentence, cut at the longest length, which is counted.

        In training an item is a query and its first right candidate.
        """
        tokenizer = context.tokenizer
        room = context.limits.max_length - tokenizer.special_tokens.single_specials
        tokens = tokenizer(e["text"] for e in examples)
        sequences = [tokenizer.single(t.ids[:room]) for t in tokens]
        counts = Counter(truncated=sum(len(t.ids) > room for t in tokens))
        if context.training:
            return _pairs_to_train(examples, sequences, counts)
        lengths = [len(s) for s in sequences]
        return one_sequence_instances(sequences, lengths, [None] * len(sequences), counts=+counts)

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """The pooling."""
        return Head()

    def loss(self, outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """In-batch softmax over the step's candidates, summed over its queries.

        ``outputs`` (2I, H): query, candidate, query, candidate ... Candidates with the same id as a
        query's own are no wrong answers and are left out of its sum.
        """
        queries, candidates = (
            F.normalize(outputs.float(), dim=1).view(-1, 2, outputs.shape[1]).unbind(1)
        )
        scores = SCALE * queries @ candidates.T
        names = np.asarray(batch.targets)
        twins = (names[:, None] == names[None, :]) & ~np.eye(len(names), dtype=bool)
        scores = scores.masked_fill(uploaded(twins, scores.device), float("-inf"))
        gold = torch.arange(len(names), device=scores.device)
        if smoothing:
            raise TrainingError("retrieval cannot be trained with label_smoothing: set it to 0")
        return F.cross_entropy(scores, gold, reduction="sum")

    def outputs(self, outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
        """One vector a sentence."""
        return list(outputs.cpu().numpy())

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """What the queries found: the nearest candidate, the twenty nearest, or the mined pairs.

        Of equals the first one is taken. Mined pairs, best first, have a ``score`` and are all
        that have a positive margin: `apply_threshold` says which are kept.
        """
        queries, candidates = (
            [(e, o) for e, o in zip(examples, outputs, strict=True) if e["side"] == side]
            for side in ("query", "candidate")
        )
        if not queries or not candidates:
            raise DataError("retrieval needs at least one query and one candidate")
        if scorer == "bucc":
            return _mined(queries, candidates)
        found, pool = ([o for _, o in side] for side in (queries, candidates))
        names = [e["id"] for e, _ in candidates]
        if scorer == "map20":
            answers: list[Any] = rank(found, pool, names, search=nearest)
        elif scorer == "nearest":
            answers = [names[best] for best in nearest_foreign(np.stack(found), np.stack(pool))]
        else:
            raise DataError(unknown("scorer", scorer, SCHEMA.scorers))
        return [
            {"id": query["id"], "prediction": answer, "gold": query["relevant"]}
            for (query, _), answer in zip(queries, answers, strict=True)
        ]


MODEL = RetrievalModel()
