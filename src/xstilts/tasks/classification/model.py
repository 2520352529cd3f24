"""Classification of a text or a pair of texts: NLI, paraphrase, topic."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from torch.nn import functional as F

from xstilts.metrics.accuracy import accuracy
from xstilts.models.batch import Batch, Features, one_sequence_items
from xstilts.models.device import uploaded
from xstilts.models.heads import SentenceHead
from xstilts.models.tokenizer import truncate_longest_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from xstilts.data.examples import Example
    from xstilts.models.tokenizer import Limits, Tokenizer, Tokens

SCORERS = {"accuracy": ("accuracy",)}


def encode(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    labels: Sequence[str],
    limits: Limits,
    *,
    training: bool,
) -> Features:
    """One sequence an example; pairs are cut by `truncate_longest_first`, which is counted."""
    firsts = tokenizer(e["text"] for e in examples)
    seconds = iter(tokenizer(e["text_pair"] for e in examples if e["text_pair"] is not None))
    counts: Counter[str] = Counter()
    sequences, second, targets = [], [], []
    for example, first in zip(examples, firsts, strict=True):
        pair = next(seconds) if example["text_pair"] is not None else None
        ids, where, cut = sequence(tokenizer, first, pair, limits.max_length)
        counts["truncated"] += cut
        if training and example["label"] is None:
            counts["unlabelled"] += 1
            continue
        sequences.append(ids)
        second.append(where)
        targets.append(labels.index(example["label"]) if example["label"] is not None else -1)
    return one_sequence_items(sequences, second, targets, counts=+counts)


def sequence(
    tokenizer: Tokenizer, first: Tokens, second: Tokens | None, longest: int
) -> tuple[np.ndarray, int, bool]:
    """The ids of a text or pair, where its tokens of type 1 begin, and whether it was cut."""
    layout = tokenizer.layout
    if second is None:
        room = longest - layout.single_specials
        ids = tokenizer.single(first.ids[:room])
        return ids, len(ids), len(first.ids) > room
    room = longest - layout.pair_specials
    a, b = truncate_longest_first(first.ids, second.ids, room)
    return *tokenizer.pair(a, b), len(first.ids) + len(second.ids) > room


class Head(nn.Module):
    """Class scores from the first token."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.sentence = SentenceHead(hidden, outputs)

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S, classes)."""
        return self.sentence(hidden, batch)  # type: ignore[no-any-return]


def head(hidden: int, labels: Sequence[str]) -> nn.Module:
    """A new head with one output a class."""
    return Head(hidden, len(labels))


def loss(outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
    """Cross entropy, summed over items."""
    gold = uploaded(np.asarray(batch.targets), outputs.device)
    return F.cross_entropy(outputs.float(), gold, reduction="sum", label_smoothing=smoothing)


def outputs(outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    """Class scores of each item."""
    return list(outputs.float().cpu().numpy())


def decode(
    examples: Sequence[Example],
    features: Features,
    outputs: Sequence[np.ndarray],
    labels: Sequence[str],
    scorer: str,
) -> list[dict[str, Any]]:
    """The class with the highest score; the first one on a tie."""
    return [
        {"id": e["id"], "prediction": labels[int(np.argmax(o))], "gold": e["label"]}
        for e, o in zip(examples, outputs, strict=True)
    ]


def score(
    examples: Sequence[Example],
    predictions: Sequence[dict[str, Any]],
    scorer: str,
    language: str,
) -> tuple[int, dict[str, float]]:
    """Accuracy over all examples."""
    gold = [e["label"] for e in examples]
    return len(gold), {"accuracy": accuracy(gold, [p["prediction"] for p in predictions])}
