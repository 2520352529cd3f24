"""Choosing a checkpoint: the best on the English development data, not the last one.

jiant's rule for XTREME: every so many steps a part of the development data is scored; the best
checkpoint is kept, the earlier one on a tie; after so many evaluations without a gain the training
ends. Several tasks are judged by the mean of their primary metrics.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from xstilts.errors import DataError
from xstilts.models import checkpoint
from xstilts.models.batch import pack
from xstilts.models.forward import fitted
from xstilts.tasks.base import EncodingContext, constant_prediction, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.models.batch import Features
    from xstilts.models.checkpoint import Checkpoint
    from xstilts.models.device import Device
    from xstilts.models.network.base import Encoder
    from xstilts.models.tokenizer import Tokenizer
    from xstilts.training.job import TaskJob


class Development:
    """The development data of a training's tasks, ready to be scored again and again."""

    def __init__(
        self,
        tasks: Sequence[TaskJob],
        rows: dict[str, list[Example]],
        tokenizer: Tokenizer,
        folder: Path,
        before: Checkpoint | None,
        trained: torch.Tensor,
    ) -> None:
        """``rows``: examples by task; ``trained``: the rows of the vocabulary that are trained."""
        self.tasks = [task for task in tasks if task.name in rows]
        self.rows = rows
        raw = {task.name: self._encode(task, tokenizer) for task in self.tasks}
        used = np.unique(np.concatenate([f.tokens_used() for f in raw.values()]))
        self.features = {name: f.renumbered(used) for name, f in raw.items()}
        needed = torch.from_numpy(used).long()
        self._is_trained = torch.isin(needed, trained)
        self._where = torch.searchsorted(trained, needed[self._is_trained])
        self._others = checkpoint.Untrained(folder, before, needed[~self._is_trained])

    def _encode(self, task: TaskJob, tokenizer: Tokenizer) -> Features:
        context = EncodingContext(tokenizer, task.labels, task.hyperparameters)
        return load_model(task.task_type).encode(self.rows[task.name], context)

    def score(
        self,
        encoder: Encoder,
        heads: nn.ModuleDict,
        shrunk: float,
        device: Device,
        budget: int,
    ) -> tuple[dict[str, float], list[str]]:
        """Each task's primary metric, and the tasks that are given one answer throughout.

        The rows of the vocabulary that occur here and are not trained are what the checkpoint
        would make of them: shrunk by the weight decay so far.
        """
        scores, collapsed = {}, []
        with self._all_rows(encoder, shrunk), torch.inference_mode():
            for task in self.tasks:
                task_model, rows = load_model(task.task_type), self.rows[task.name]
                features = self.features[task.name]
                head = heads[task.name]
                outputs = _outputs(features, task, encoder, head, device, budget)
                predictions = task_model.decode(rows, features, outputs, task.labels, task.scorer)
                language = task.dev[0].stem
                _, metrics = task_model.score(rows, predictions, task.scorer, language)
                scores[task.name] = float(metrics[task.primary])
                if constant_prediction(predictions):
                    collapsed.append(task.name)
        return scores, collapsed

    @contextmanager
    def _all_rows(self, encoder: Encoder, shrunk: float) -> Iterator[None]:
        trained = encoder.words
        values = trained.weight.new_empty(len(self._is_trained), trained.weight.shape[1])
        here = self._is_trained.to(values.device)
        with torch.no_grad():
            values[here] = trained.weight[self._where.to(values.device)]
            values[~here] = self._others.now(shrunk).to(values.device)
        encoder.words = nn.Embedding.from_pretrained(values)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            encoder.words = trained


def _outputs(
    features: Features,
    task: TaskJob,
    encoder: Encoder,
    head: nn.Module,
    device: Device,
    budget: int,
) -> list[np.ndarray]:
    task_model = load_model(task.task_type)

    def compute(items: list[int]) -> list[np.ndarray]:
        batch = pack(features, items).to(device.torch)
        with device.autocast():
            outputs = head(encoder(batch), batch)
        return task_model.outputs(outputs, batch)

    lengths = features.lengths()
    items = range(len(features))
    found = fitted(f"development data of {task.name}", lengths, budget, compute, items)
    return [found[item] for item in items]


def labelled(rows: list[Example], stamps: Sequence[Path]) -> list[Example]:
    """The rows that can be scored; raises `DataError` where there is none."""
    kept = [r for r in rows if r.get("label", "") is not None and r.get("tags", "") is not None]
    if not kept:
        where = ", ".join(map(str, stamps))
        raise DataError(f"{where}: no development example with a label")
    return kept
