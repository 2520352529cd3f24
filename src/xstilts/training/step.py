"""The gradient of a step: forward and backward passes, in parts that fit in memory.

A step trains on as many examples as the study says, whatever the device holds: it is cut into
micro-batches by their tokens; how it is cut changes nothing but rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch

from xstilts.models.batch import by_tokens, pack
from xstilts.models.out_of_memory import halved, is_out_of_memory
from xstilts.seeds import derive
from xstilts.training.schedule import MLM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from torch import nn

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.models.batch import Batch
    from xstilts.models.device import Device
    from xstilts.models.network.base import Encoder
    from xstilts.training.data import TrainingData

T = TypeVar("T")


class Gradients:
    """Sums up gradients in the parameters of an encoder and its heads.

    ``budget``: tokens of a micro-batch; it is halved whenever they do not fit in memory.
    """

    def __init__(
        self,
        data: TrainingData,
        encoder: Encoder,
        heads: nn.ModuleDict,
        device: Device,
        hyperparameters: Mapping[str, Hyperparameters],
        seed: int,
        budget: int,
    ) -> None:
        self._data, self._encoder, self._heads, self._device = data, encoder, heads, device
        self._hyperparameters, self._seed = hyperparameters, seed
        self.budget = budget

    def of_step(self, step: int, task: str, items: np.ndarray) -> torch.Tensor:
        """Give the parameters the gradient of a step, which counts from 0; returns its loss.

        A step that does not fit in memory is done again, whole, in parts of half as many tokens.
        Raises `TrainingError` where one example does not fit.
        """
        lengths = self._data.lengths[task]
        weight = float(self._data.features[task].weights[items].sum())
        task_model = self._data.task_models.get(task)
        sum_up = (
            self._through_outputs
            if task_model is not None and task_model.needs_whole_batch
            else self._part_by_part
        )
        while True:
            self.zero()
            micros = list(by_tokens(lengths, items.tolist(), self.budget))
            loss = sum_up(step, task, micros, weight)
            if loss is not None:
                return loss
            self.zero()
            tokens = max(int(lengths[micro].sum()) for micro in micros)
            what, most = f"step {step + 1} of {task}", max(map(len, micros))
            self.budget = halved(what, self.budget, tokens, most)

    def zero(self) -> None:
        """Forget all gradients."""
        self._encoder.zero_grad()
        self._heads.zero_grad()

    def _part_by_part(
        self, step: int, task: str, micros: list[list[int]], weight: float
    ) -> torch.Tensor | None:
        """The loss of a step; None where it does not fit in memory."""

        def compute() -> torch.Tensor:
            total = torch.zeros((), device=self._device.torch)
            for micro in micros:
                batch, outputs = self.forward(step, task, micro)
                loss = self._loss(task, outputs, batch) / weight
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            return total

        return _unless_out_of_memory(compute)

    def _through_outputs(
        self, step: int, task: str, micros: list[list[int]], weight: float
    ) -> torch.Tensor | None:
        """For a loss that compares all items of a step: first the outputs, then the gradients.

        Every part is computed twice: without gradients, for the loss of all outputs together, and
        again to pass their gradients on (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
        Size under Memory Limited Setup"). Dropout is the same both times.
        """
        if len(micros) == 1:
            return self._part_by_part(step, task, micros, weight)

        def compute_outputs() -> list[torch.Tensor]:
            with torch.no_grad():
                return [self.forward(step, task, micro)[1].float() for micro in micros]

        parts = _unless_out_of_memory(compute_outputs)
        if parts is None:
            return None
        # of this batch only what belongs to items is used: it stays on the host
        everything = pack(self._data.features[task], [i for micro in micros for i in micro])

        def pass_on() -> torch.Tensor:
            outputs = torch.cat(parts).requires_grad_()
            loss = self._loss(task, outputs, everything) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            assert outputs.grad is not None
            grads = outputs.grad.split([len(p) for p in parts])  # type: ignore[no-untyped-call]
            for micro, grad in zip(micros, grads, strict=True):
                self.forward(step, task, micro)[1].float().backward(grad)
            return loss.detach()

        return _unless_out_of_memory(pass_on)

    def forward(self, step: int, task: str, micro: list[int]) -> tuple[Batch, Any]:
        """Some items of a step as a batch, and what the task's head gives for it."""
        stream = derive(self._seed, "dropout", step)
        data = self._data
        batch = pack(data.features[task], micro, stream)
        if task == MLM:
            count = min(data.tokenizer.vocabulary, len(data.rows))
            batch = data.mlm.masked(batch, data.mask, count)
        batch = batch.to(self._device.torch)
        with self._device.autocast():
            return batch, self._heads[task](self._encoder(batch), batch)

    def _loss(self, task: str, outputs: Any, batch: Batch) -> torch.Tensor:
        if task == MLM:
            outputs = outputs.to(self._device.dtype)
            words, head = self._encoder.words.weight, self._heads[MLM]
            return self._data.mlm.loss(outputs, batch, words, head)  # type: ignore[no-any-return]
        smoothing = self._hyperparameters[task].label_smoothing
        return self._data.task_models[task].loss(outputs, batch, smoothing)


def _unless_out_of_memory(compute: Callable[[], T]) -> T | None:
    """What ``compute`` gives; None where memory runs out."""
    try:
        return compute()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
