"""The gradient of a step: forward and backward passes, in micro-batches that fit in memory.

A step trains on as many examples as the study says, whatever the device holds. It is cut into
micro-batches by tokens; how it is cut changes nothing but rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xstilts.models.batch import batches_by_tokens, pack
from xstilts.models.out_of_memory import T, halve_budget, is_out_of_memory
from xstilts.seeds import derive
from xstilts.training.schedule import MLM_TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from torch import nn

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.models.batch import Batch
    from xstilts.models.device import Device
    from xstilts.models.network.base import Encoder
    from xstilts.training.data import TrainingData


class StepGradients:
    """Computes the gradients of an encoder and its heads, a step at a time.

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

    def compute(self, step: int, task: str, instances: np.ndarray) -> torch.Tensor:
        """Give the parameters the gradient of a step, which counts from 0; gives its loss ().

        A step that does not fit in memory is computed again, whole, in micro-batches of half as
        many tokens. Raises `TrainingError` where one instance does not fit.
        """
        lengths = self._data.lengths[task]
        weight = float(self._data.features[task].weights[instances].sum())
        task_model = self._data.task_models.get(task)
        needs_whole_batch = task_model is not None and task_model.needs_whole_batch
        accumulate = self._gradient_cache if needs_whole_batch else self._accumulated
        while True:
            self.zero()
            micro_batches = list(batches_by_tokens(lengths, instances.tolist(), self.budget))
            loss = accumulate(step, task, micro_batches, weight)
            if loss is not None:
                return loss
            self.zero()
            tokens = max(int(lengths[micro_batch].sum()) for micro_batch in micro_batches)
            title, most = f"step {step + 1} of {task}", max(map(len, micro_batches))
            self.budget = halve_budget(title, self.budget, tokens, most)

    def zero(self) -> None:
        """Delete all gradients."""
        self._encoder.zero_grad()
        self._heads.zero_grad()

    def _accumulated(
        self, step: int, task: str, micro_batches: list[list[int]], weight: float
    ) -> torch.Tensor | None:
        """Accumulate the gradients of the micro-batches; gives the loss, None out of memory."""

        def compute() -> torch.Tensor:
            total = torch.zeros((), device=self._device.torch)
            for micro_batch in micro_batches:
                batch, outputs = self.forward(step, task, micro_batch)
                loss = self._loss(task, outputs, batch) / weight
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            return total

        return _unless_out_of_memory(compute)

    def _gradient_cache(
        self, step: int, task: str, micro_batches: list[list[int]], weight: float
    ) -> torch.Tensor | None:
        """The same for a loss that compares all instances of a step with each other.

        Every micro-batch is computed twice: without gradients, for the loss of all outputs
        together, and again to pass the outputs' gradients on (GradCache: Gao et al. 2021, "Scaling
        Deep Contrastive Learning Batch Size under Memory Limited Setup"). Dropout is the same both
        times.
        """
        if len(micro_batches) == 1:
            return self._accumulated(step, task, micro_batches, weight)

        def compute_outputs() -> list[torch.Tensor]:
            with torch.no_grad():
                return [self.forward(step, task, each)[1].float() for each in micro_batches]

        parts = _unless_out_of_memory(compute_outputs)
        if parts is None:
            return None
        # the loss reads nothing of this batch but what belongs to instances: it stays on the host
        instances = [instance for micro_batch in micro_batches for instance in micro_batch]
        whole_batch = pack(self._data.features[task], instances)

        def pass_on() -> torch.Tensor:
            outputs = torch.cat(parts).requires_grad_()
            loss = self._loss(task, outputs, whole_batch) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            assert outputs.grad is not None
            grads = outputs.grad.split([len(p) for p in parts])  # type: ignore[no-untyped-call]
            for micro_batch, grad in zip(micro_batches, grads, strict=True):
                self.forward(step, task, micro_batch)[1].float().backward(grad)
            return loss.detach()

        return _unless_out_of_memory(pass_on)

    def forward(self, step: int, task: str, instances: list[int]) -> tuple[Batch, Any]:
        """Some instances of a step as a batch, and the outputs of the task's head for it."""
        step_seed = derive(self._seed, "dropout", step)
        data = self._data
        batch = pack(data.features[task], instances, step_seed)
        if task == MLM_TASK:
            count = min(data.tokenizer.vocabulary, len(data.rows))
            batch = data.mlm.masked(batch, data.mask, count)
        batch = batch.to(self._device.torch)
        with self._device.autocast():
            return batch, self._heads[task](self._encoder(batch), batch)

    def _loss(self, task: str, outputs: Any, batch: Batch) -> torch.Tensor:
        if task == MLM_TASK:
            outputs = outputs.to(self._device.dtype)
            words, head = self._encoder.words.weight, self._heads[MLM_TASK]
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
