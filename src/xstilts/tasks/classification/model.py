"""Classification of a text or a pair of texts: NLI, paraphrase, topic."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from torch import nn
from torch.nn import functional as F

from xstilts.models.batch import Batch, Features, one_sequence_instances
from xstilts.models.device import uploaded
from xstilts.models.heads import SentenceHead
from xstilts.tasks.base import TaskModel
from xstilts.tasks.classification.schema import SCHEMA
from xstilts.tasks.text_pairs import sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow


class Head(nn.Module):
    """Class scores from the first token."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.sentence = SentenceHead(hidden, outputs)

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S, classes)."""
        return self.sentence(hidden, batch)  # type: ignore[no-any-return]


class ClassificationModel(TaskModel):
    """Classification of a text or a pair of texts."""

    schema = SCHEMA

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """One sequence an example; pairs are cut by `truncate_longest_first`, which is counted."""
        tokenizer = context.tokenizer
        firsts = tokenizer(e["text"] for e in examples)
        seconds = iter(tokenizer(e["text_pair"] for e in examples if e["text_pair"] is not None))
        counts: Counter[str] = Counter()
        sequences, second, targets = [], [], []
        for example, first in zip(examples, firsts, strict=True):
            pair = next(seconds) if example["text_pair"] is not None else None
            ids, where, cut = sequence(tokenizer, first, pair, context.limits.max_length)
            counts["truncated"] += cut
            if context.training and example["label"] is None:
                counts["unlabelled"] += 1
                continue
            sequences.append(ids)
            second.append(where)
            label = example["label"]
            targets.append(-1 if label is None else context.labels.index(label))
        return one_sequence_instances(sequences, second, targets, counts=+counts)

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head with one output a class."""
        return Head(hidden, len(labels))

    def loss(self, outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """Cross entropy, summed over items."""
        gold = uploaded(np.asarray(batch.targets), outputs.device)
        return F.cross_entropy(outputs.float(), gold, reduction="sum", label_smoothing=smoothing)

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """The class with the highest score; the first one on a tie."""
        return [
            {"id": e["id"], "prediction": labels[int(np.argmax(o))], "gold": e["label"]}
            for e, o in zip(examples, outputs, strict=True)
        ]


MODEL = ClassificationModel()
