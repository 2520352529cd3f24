"""Choosing a checkpoint: the best on the English development data, not the last one.

jiant's rule for XTREME: every so many steps a part of the development data is scored; the best
checkpoint is kept, the earlier one on a tie; after so many evaluations without a gain the training
ends. Several tasks are judged by the mean of their primary metrics.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from xstilts import checkpoints, formats
from xstilts.batching import pack
from xstilts.errors import DataError
from xstilts.memory import fitted
from xstilts.ranks import dealt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xstilts.batching import Features
    from xstilts.checkpoints import Checkpoint
    from xstilts.devices import Device
    from xstilts.examples import Example
    from xstilts.network import Encoder
    from xstilts.ranks import Ranks
    from xstilts.tokenization import Tokenizer
    from xstilts.training import TaskJob


@dataclass
class Record:
    """What the evaluations have told so far; it is a part of a training's saved state."""

    evaluations: int = 0
    without_gain: int = 0
    best_step: int = 0  # 0: none yet
    best_score: float = -np.inf
    best_scores: dict[str, float] = field(default_factory=dict)
    collapsed: list[str] = field(default_factory=list)  # tasks that the best gives one answer to
    crc32: int = 0  # of the file of the best checkpoint

    def take(self, step: int, scores: dict[str, float], collapsed: list[str]) -> bool:
        """Note an evaluation; gives whether it is the best so far."""
        self.evaluations += 1
        score = sum(scores.values()) / len(scores)
        better = score > self.best_score
        self.without_gain = 0 if better else self.without_gain + 1
        if better:
            self.best_step, self.best_score, self.best_scores = step, score, scores
            self.collapsed = collapsed
        return better

    def as_json(self) -> dict[str, Any]:
        """For a saved state; floats as JSON writes them are read back exactly."""
        return asdict(self)


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
        self._others = checkpoints.Untrained(folder, before, needed[~self._is_trained])

    def _encode(self, task: TaskJob, tokenizer: Tokenizer) -> Features:
        encode = formats.get(task.format).encode
        rows, limits = self.rows[task.name], task.hyperparameters
        return encode(rows, tokenizer, task.labels, limits, training=False)

    def score(
        self,
        encoder: Encoder,
        heads: nn.ModuleDict,
        shrunk: float,
        device: Device,
        budget: int,
        ranks: Ranks,
    ) -> tuple[dict[str, float], list[str]]:
        """Each task's primary metric, and the tasks that are given one answer throughout.

        The ranks share the forward passes; then each knows all outputs and finds the same scores.

        The rows of the vocabulary that occur here and are not trained are what the checkpoint
        would make of them: shrunk by the weight decay so far.
        """
        scores, collapsed = {}, []
        with self._all_rows(encoder, shrunk), torch.inference_mode():
            for task in self.tasks:
                form, rows = formats.get(task.format), self.rows[task.name]
                features = self.features[task.name]
                head = heads[task.name]
                outputs = _outputs(features, task, encoder, head, device, budget, ranks)
                predictions = form.decode(rows, features, outputs, task.labels, task.scorer)
                language = task.dev[0].stem
                _, metrics = form.score(rows, predictions, task.scorer, language)
                scores[task.name] = float(metrics[task.primary])
                if formats.collapsed(predictions):
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
    ranks: Ranks,
) -> list[np.ndarray]:
    form = formats.get(task.format)

    def compute(items: list[int]) -> list[np.ndarray]:
        batch = pack(features, items).to(device.torch)
        with device.autocast():
            outputs = head(encoder(batch), batch)
        return form.outputs(outputs, batch)

    lengths = features.lengths()
    mine = dealt(lengths, range(len(features)), ranks.count)[ranks.rank]
    parts = ranks.gather(fitted(f"development data of {task.name}", lengths, budget, compute, mine))
    found = {item: output for part in parts for item, output in part.items()}
    return [found[item] for item in range(len(features))]


def labelled(rows: list[Example], stamps: Sequence[Path]) -> list[Example]:
    """The rows that can be scored; raises `DataError` where there is none."""
    kept = [r for r in rows if r.get("label", "") is not None and r.get("tags", "") is not None]
    if not kept:
        where = ", ".join(map(str, stamps))
        raise DataError(f"{where}: no development example with a label")
    return kept


# --- the best checkpoint so far ------------------------------------------------------------------


def best_file(folder: Path, step: int) -> Path:
    """Where the best checkpoint lies, beside the saved state that names its step."""
    return folder / f"best-{step}.safetensors"


def file_crc32(path: Path) -> int:
    """A checksum of a file's bytes."""
    found = 0
    with path.open("rb") as stream:
        while block := stream.read(2**22):
            found = zlib.crc32(block, found)
    return found


def forget_others(folder: Path, steps: set[int]) -> None:
    """Delete the best checkpoints but those of these steps."""
    kept = {best_file(folder, step).name for step in steps}
    for path in folder.glob("best-*.safetensors"):
        if path.name not in kept:
            path.unlink(missing_ok=True)
