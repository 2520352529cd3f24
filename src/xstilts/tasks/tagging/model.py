"""Tagging: one tag a word, predicted at the word's first piece (XTREME's ``utils_tag.py``).

A sentence that is too long is split at word boundaries into several items, never cut: every word
is read and scored.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.models.heads import TokenHead
from xstilts.tasks.base import TaskModel
from xstilts.tasks.tagging.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow

NOT_IN_TRAINING = -100
"""Stands for a tag that the labels do not hold: it is scored as text and never trained on."""


def _runs(words: Sequence[np.ndarray], room: int) -> Iterator[tuple[int, int]]:
    """Cut a sentence into the fewest runs of whole words with at most ``room`` pieces each."""
    begin, used = 0, 0
    for i, word in enumerate(words):
        if used + len(word) > room:
            yield begin, i
            begin, used = i, 0
        used += len(word)
    if len(words) > begin:
        yield begin, len(words)


class Head(nn.Module):
    """Tag scores at the first piece of every word."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.token = TokenHead(hidden, outputs)

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (W, tags), the words of all items one after the other."""
        begins = np.cumsum([0, *batch.lengths[:-1]])  # an item is one sequence
        places = [begin + where for begin, (_, where, _) in zip(begins, batch.targets, strict=True)]
        index = uploaded(np.concatenate(places), hidden.device)
        return self.token(hidden, batch, index)  # type: ignore[no-any-return]


class TaggingModel(TaskModel):
    """One tag a word."""

    schema = SCHEMA

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """Items are runs of whole words that fit; a target holds (sentence, places, label ids)."""
        tokenizer = context.tokenizer
        pieces = tokenizer.words(word for e in examples for word in e["tokens"])
        room = context.limits.max_length - tokenizer.special_tokens.single_specials
        prefix = len(tokenizer.special_tokens.prefix)
        unknown = np.asarray([tokenizer.unknown], dtype=np.int32)  # for a word that fits nowhere
        ids = {label: i for i, label in enumerate(context.labels)}
        counts: Counter[str] = Counter()
        sequences, targets = [], []
        for number, example in enumerate(examples):
            if context.training and example["tags"] is None:
                counts["unlabelled"] += 1
                continue
            words = [pieces[w] if len(pieces[w]) <= room else unknown for w in example["tokens"]]
            counts["unknown_words"] += sum(len(pieces[w]) > room for w in example["tokens"])
            runs = list(_runs(words, room))
            counts["split"] += len(runs) > 1
            for begin, end in runs:
                run = words[begin:end]
                sizes = [len(word) for word in run]
                sequences.append(tokenizer.single(np.concatenate(run)))
                tags = example["tags"][begin:end] if example["tags"] is not None else []
                known = [ids[t] if context.training else ids.get(t, NOT_IN_TRAINING) for t in tags]
                targets.append((number, prefix + np.cumsum([0, *sizes[:-1]]), np.asarray(known)))
        lengths = [len(s) for s in sequences]
        weights = [len(places) for _, places, _ in targets]
        return one_sequence_instances(sequences, lengths, targets, weights, +counts)

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head with one output a tag."""
        return Head(hidden, len(labels))

    def loss(self, outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """Cross entropy, summed over words; an item weighs as many words as it has."""
        gold = uploaded(np.concatenate([tags for _, _, tags in batch.targets]), outputs.device)
        return F.cross_entropy(outputs.float(), gold, reduction="sum", label_smoothing=smoothing)

    def outputs(self, outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
        """(words, tags) scores of each item."""
        ends = np.cumsum([len(places) for _, places, _ in batch.targets])
        return np.split(outputs.float().cpu().numpy(), ends[:-1])

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """The items of a sentence joined again: one tag a word, the first one on a tie."""
        tags: list[list[str]] = [[] for _ in examples]
        for (number, _, _), scores in zip(features.targets, outputs, strict=True):
            tags[number] += [labels[i] for i in scores.argmax(-1)]
        return [
            {"id": e["id"], "prediction": predicted, "gold": e["tags"]}
            for e, predicted in zip(examples, tags, strict=True)
        ]


MODEL = TaggingModel()
