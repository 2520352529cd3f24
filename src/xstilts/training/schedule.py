"""The schedule of a training: what each step trains on, and its learning rate.

The sizes of the tasks and the seed decide all of it, whatever step a training resumes at. This
module needs no torch.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xstilts.seeds import derive

if TYPE_CHECKING:
    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.study import Mlm, Multi

MLM_TASK = "+mlm"
"""The name of masked language modelling among the tasks: no card can have this name."""


class Schedule:
    """Which instances each step trains on, and its learning rate.

    ``hyperparameters``: by task, `MLM_TASK` included; ``shared_hyperparameters``: those of the
    first task, of which selection, evaluation and the optimiser read what all tasks share.
    """

    def __init__(
        self,
        hyperparameters: dict[str, Hyperparameters],
        sizes: dict[str, int],
        multi: Multi,
        seed: int,
        mlm: Mlm | None = None,
        more_steps: int = 0,
    ) -> None:
        """``sizes``: training instances of each task; with ``mlm`` also those of `MLM_TASK`.

        ``more_steps``: steps that the first task has beside its own.
        """
        self.more_steps = more_steps
        self.hyperparameters, self.sizes = dict(hyperparameters), sizes
        self.shared_hyperparameters = next(iter(hyperparameters.values()))
        self.multi, self.seed, self.mlm = multi, seed, mlm
        if mlm:
            changes = {"batch_size": mlm.batch_size, "max_length": mlm.max_length}
            self.hyperparameters[MLM_TASK] = self.shared_hyperparameters.model_copy(update=changes)
        self._shuffled: dict[str, tuple[int, np.ndarray]] = {}  # task -> epoch and its order

    @cached_property
    def total(self) -> int:
        """Number of optimiser steps."""
        return len(self.order)

    @cached_property
    def order(self) -> list[str]:
        """The task of each step, shuffled.

        One task has its epochs. Several tasks have as many steps together as their epochs would
        take (of at most ``cap`` examples each), divided in proportion to
        min(size, cap) ** (1/temperature), as jiant's samplers draw them. The steps of masked
        language modelling come on top: they are ``rate`` of all.
        """
        tasks = [name for name in self.hyperparameters if name != MLM_TASK]
        counts = {name: self._steps(name) for name in tasks}
        counts[tasks[0]] += self.more_steps
        if len(tasks) > 1:
            heat = 1 / self.multi.temperature
            weights = [min(self.sizes[name], self.multi.cap) ** heat for name in tasks]
            shares = apportioned(sum(counts.values()), weights)
            counts = dict(zip(tasks, shares, strict=True))
        if self.mlm:
            odds = self.mlm.rate / (1 - self.mlm.rate)
            counts[MLM_TASK] = max(1, round(odds * sum(counts.values())))
        steps = [name for name, count in counts.items() for _ in range(count)]
        if len(counts) == 1:
            return steps
        shuffled = np.random.default_rng(derive(self.seed, "tasks")).permutation(len(steps))
        return [steps[i] for i in shuffled]

    def _steps(self, name: str) -> int:
        h = self.hyperparameters[name]
        size = self.sizes[name]
        if len(self.hyperparameters) - bool(self.mlm) > 1:
            size = min(size, self.multi.cap)
        steps = max(1, round(h.epochs * math.ceil(size / h.batch_size)))
        return min(steps, h.max_steps) if h.max_steps else steps

    @cached_property
    def _turn(self) -> list[int]:
        """For each step, the number of earlier steps of its task."""
        had = dict.fromkeys(self.hyperparameters, 0)
        turns = []
        for name in self.order:
            turns.append(had[name])
            had[name] += 1
        return turns

    def batch(self, step: int) -> tuple[str, np.ndarray]:
        """The task of a step, which counts from 0, and the instances (n,) that it trains on."""
        name = self.order[step]
        size, wanted = self.sizes[name], self.hyperparameters[name].batch_size
        per_epoch = math.ceil(size / wanted)
        epoch, place = divmod(self._turn[step], per_epoch)
        if self._shuffled.get(name, (None,))[0] != epoch:
            seed = derive(self.seed, "order", name, epoch)
            self._shuffled[name] = (epoch, np.random.default_rng(seed).permutation(size))
        return name, self._shuffled[name][1][place * wanted : (place + 1) * wanted]

    def learning_rate(self, step: int, task: str) -> float:
        """That of a step, which counts from 0: linear warm-up, then linear decay to zero."""
        h = self.hyperparameters[task]
        warm = math.ceil(h.warmup * self.total)
        if step < warm:
            return h.learning_rate * (step + 1) / warm
        return h.learning_rate * (self.total - step) / max(1, self.total - warm)


def apportioned(total: int, weights: list[float]) -> list[int]:
    """Divide ``total`` in proportion to the weights: at least 1 each, largest remainders first.

    >>> apportioned(10, [3.0, 1.0])
    [8, 2]
    """
    exact = np.asarray(weights) * (total / sum(weights))
    counts = np.maximum(1, np.floor(exact)).astype(int)
    while counts.sum() != total:
        step = 1 if counts.sum() < total else -1
        if step < 0 and (counts == 1).all():
            break  # fewer steps than tasks: one each
        lacking = np.where(counts + step > 0, step * (exact - counts), -np.inf)
        counts[lacking.argmax()] += step
    return [int(count) for count in counts]
