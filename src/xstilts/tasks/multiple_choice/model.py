"""Multiple choice: the network reads each choice after the prompt; the highest score wins."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from xstilts.models.batch import Batch, Features
from xstilts.models.device import uploaded
from xstilts.models.heads import SentenceHead
from xstilts.tasks.base import TaskModel
from xstilts.tasks.multiple_choice.schema import SCHEMA
from xstilts.tasks.text_pairs import sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.data.examples import Example
    from xstilts.tasks.base import EncodingContext
    from xstilts.tasks.scoring import PredictionRow


class Head(nn.Module):
    """One score a sequence, from its first token."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.sentence = SentenceHead(hidden, 1)

    def forward(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(T, H) -> (S,), the choices of all items one after the other."""
        return self.sentence(hidden, batch).squeeze(-1)  # type: ignore[no-any-return]


class MultipleChoiceModel(TaskModel):
    """Choosing among several continuations of a prompt."""

    schema = SCHEMA

    def encode(self, examples: Sequence[Example], context: EncodingContext) -> Features:
        """One item an example, one (prompt, choice) sequence a choice."""
        tokenizer = context.tokenizer
        prompts = tokenizer(e["prompt"] for e in examples)
        choices = iter(tokenizer(choice for e in examples for choice in e["choices"]))
        counts: Counter[str] = Counter()
        sequences, second, starts, targets = [], [], [0], []
        for example, prompt in zip(examples, prompts, strict=True):
            encoded = [
                sequence(tokenizer, prompt, next(choices), context.limits.max_length)
                for _ in example["choices"]
            ]
            counts["truncated"] += any(cut for _, _, cut in encoded)
            if context.training and example["label"] is None:
                counts["unlabelled"] += 1
                continue
            sequences += [ids for ids, _, _ in encoded]
            second += [where for _, where, _ in encoded]
            starts.append(len(sequences))
            targets.append(-1 if example["label"] is None else example["label"])
        return Features(
            sequences,
            np.asarray(second, dtype=np.int64),
            np.asarray(starts),
            np.ones(len(targets)),
            list(zip(targets, np.diff(starts).tolist(), strict=True)),
            +counts,
        )

    def head(self, hidden: int, labels: Sequence[str]) -> nn.Module:
        """A new head; the number of choices is the item's, not the task's."""
        return Head(hidden)

    def loss(self, outputs: torch.Tensor, batch: Batch, smoothing: float = 0.0) -> torch.Tensor:
        """Cross entropy over the choices, summed over items."""
        gold, choices = np.array(batch.targets).T
        begins, widest = choices.cumsum() - choices, choices.max()
        rows = np.arange(len(choices))
        places = np.arange(choices.sum()) + np.repeat(rows * widest - begins, choices)
        wanted = np.repeat(smoothing / choices, choices)
        wanted[begins + gold] += 1 - smoothing
        index = uploaded(places, outputs.device)
        table = outputs.new_full((len(choices) * int(widest),), -math.inf, dtype=torch.float32)
        table = table.index_copy(0, index, outputs.float()).view(len(choices), -1)
        logs = torch.log_softmax(table, -1).flatten().index_select(0, index)
        return -(logs * uploaded(wanted.astype(np.float32), outputs.device)).sum()

    def outputs(self, outputs: torch.Tensor, batch: Batch) -> list[np.ndarray]:
        """Scores of each item's choices."""
        ends = np.cumsum([choices for _, choices in batch.targets])
        return np.split(outputs.float().cpu().numpy(), ends[:-1])

    def decode(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Sequence[np.ndarray],
        labels: Sequence[str],
        scorer: str,
    ) -> list[PredictionRow]:
        """The choice with the highest score; the first one on a tie."""
        return [
            {"id": e["id"], "prediction": int(np.argmax(o)), "gold": e["label"]}
            for e, o in zip(examples, outputs, strict=True)
        ]


MODEL = MultipleChoiceModel()
