"""The training loop: fine-tune an encoder on one task or several, step by step.

The loop trains only the rows of the embedding matrix that occur in the training data. That is exact
under AdamW: other rows have no gradient and no moments, only their weight decay, one factor for
all. It spends nothing on padding. Every random draw derives from the seed and the number of the
step, so a loop that goes on from a saved `TrainerState` ends with the same bits.

The loop reads the training data and nothing else: it knows no output file, lock, log or signal.
What it finds out it yields as events; `train` writes them down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xstilts.data.examples import concatenated, subset
from xstilts.errors import EncoderError, TrainingError
from xstilts.models import checkpoint
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.device import AsyncScalars, Device
from xstilts.models.heads import initialise
from xstilts.models.network.weights import Weights
from xstilts.seeds import derive
from xstilts.training.data import TrainingData, count_steps
from xstilts.training.dev_evaluation import Development, labelled
from xstilts.training.model_selection import SelectionHistory
from xstilts.training.schedule import MLM_TASK, Schedule
from xstilts.training.step import StepGradients
from xstilts.training.update import Update

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from xstilts.training.job import TaskJob, TrainingJob


@dataclass(frozen=True)
class StepDone:
    """A step of the optimiser, counted from 1. ``tokens``: those of its examples."""

    step: int
    task: str
    loss: float
    learning_rate: float
    tokens: int


@dataclass(frozen=True)
class DevScored:
    """An evaluation on development data after a step.

    ``score``: the mean of ``by_task``, each task's primary metric. ``best``: whether it is the
    highest so far.
    """

    step: int
    score: float
    by_task: dict[str, float]
    best: bool


Event = StepDone | DevScored


@dataclass(frozen=True)
class TrainerState:
    """Everything that a loop needs to go on.

    ``tensors``: ``parameter.<name>`` and the optimiser's ``<moment>.<name>``; ``progress``: JSON.
    """

    tensors: dict[str, torch.Tensor]
    progress: dict[str, Any]


@dataclass(frozen=True)
class _PendingStep:
    """A step that is queued on the device. ``scalars``: its loss and its gradient's norm."""

    step: int  # from 1
    task: str
    learning_rate: float
    tokens: int
    scalars: AsyncScalars


class Trainer:
    """One training between two of its steps.

    ``encoder``, ``heads``: the network; ``step``: number of steps done; ``decay``: the factor of
    every embedding row that is not trained; ``losses``: the last loss of each task; ``history``:
    the evaluations so far; ``head_init``: what each head started from; ``more_steps``: those that
    the job adds to the task's own.
    """

    def __init__(self, job: TrainingJob) -> None:
        """Read and tokenise the data, build the network, plan the steps.

        Raises `DataError` where a task has no usable example, and `EncoderError` where a sequence
        is longer than the encoder can read.
        """
        self.job = job
        self.device = Device.choose(job.compute)
        self._encoder_folder = job.encoder.parent
        self.data = TrainingData(job.tasks, job.mlm, self._encoder_folder)
        path = job.start.parent / checkpoint.FILE if job.start else None
        self.start = Checkpoint.load(path, self._encoder_folder) if path else None
        self.encoder = checkpoint.build(self._encoder_folder, self.start, self.data.rows)
        self.encoder.to(self.device.torch)
        self._check_lengths()
        self.head_init: dict[str, str] = {}
        self.heads = nn.ModuleDict({task.name: self._head(task) for task in job.tasks})
        if job.mlm:
            self.heads[MLM_TASK] = self._mlm_head()
        self.heads.to(self.device.torch)
        sizes = {name: len(features) for name, features in self.data.features.items()}
        hyperparameters = {task.name: task.hyperparameters for task in job.tasks}
        mlm = job.mlm.choices if job.mlm else None
        self.more_steps = (
            count_steps(job.more_steps, job.multi, self.data.tokenizer) if job.more_steps else 0
        )
        self.schedule = Schedule(hyperparameters, sizes, job.multi, job.seed, mlm, self.more_steps)
        self.development = self._development()
        self.history = SelectionHistory()
        modules = (*self.encoder.modules(), *self.heads.modules())
        norms = {p for m in modules if isinstance(m, nn.LayerNorm) for p in m.parameters()}
        self.update = Update(self.parameters(), norms, self.schedule.shared_hyperparameters)
        self.gradients = StepGradients(
            self.data,
            self.encoder,
            self.heads,
            self.device,
            self.schedule.hyperparameters,
            job.seed,
            job.compute.micro_batch_tokens,
        )
        self.step = 0
        self.decay = 1.0
        self.losses: dict[str, float] = {}
        self._pending: _PendingStep | None = None
        self._events: list[Event] = []

    # -- building ---------------------------------------------------------------------------------

    def _check_lengths(self) -> None:
        allowed = self.encoder.shape.longest
        for name, features in self.data.features.items():
            longest = max(map(len, features.sequences))
            if longest > allowed:
                raise EncoderError(
                    f"{name}: a sequence of {longest} tokens; {self._encoder_folder} takes "
                    f"{allowed}: lower max_length"
                )

    def _head(self, task: TaskJob) -> nn.Module:
        """A new head, or the start checkpoint's where the job names one of the same shape."""
        head = self.data.task_models[task.name].head(self.encoder.shape.hidden, task.labels)
        self._initialise(head, task.name)
        earlier = self.start.head(task.head_from) if self.start and task.head_from else {}
        shapes = {name: p.shape for name, p in head.state_dict().items()}
        fits = bool(earlier) and {name: p.shape for name, p in earlier.items()} == shapes
        if fits:
            head.load_state_dict(earlier)
        self.head_init[task.name] = str(task.head_from) if fits else "new"
        return head

    def _mlm_head(self) -> nn.Module:
        width, hidden = self.encoder.words.embedding_dim, self.encoder.shape.hidden
        if width != hidden:  # the head multiplies hidden states with the word embeddings
            raise EncoderError(
                f"{self._encoder_folder}: word embeddings of {width} numbers, hidden states of "
                f"{hidden}: masked language modelling needs as many; leave +mlm out"
            )
        head: nn.Module = self.data.mlm.head(self.encoder.shape.hidden, len(self.data.rows))
        self._initialise(head, MLM_TASK)
        pretrained = self.data.mlm.pretrained(Weights(self._encoder_folder).body(), head)
        if pretrained is not None:
            head.load_state_dict(pretrained)
        self.head_init[MLM_TASK] = "new" if pretrained is None else "pretrained"
        return head

    def _initialise(self, head: nn.Module, name: str) -> None:
        generator = torch.Generator().manual_seed(derive(self.job.seed, "head", name))
        initialise(head, generator)

    def _development(self) -> Development | None:
        """The development data; None where the last state is kept, whatever its score."""
        if self.schedule.shared_hyperparameters.selection == "last":
            return None
        examples = {}
        for task in self.job.tasks:
            if task.dev:
                schema = self.data.task_models[task.name].schema
                usable = labelled(schema, concatenated(schema, task.dev), task.dev)
                limit = task.hyperparameters.dev_examples
                examples[task.name] = subset(schema, usable, limit, task.name)
        if not examples:
            return None
        return Development(
            self.job.tasks,
            examples,
            self.data.tokenizer,
            self._encoder_folder,
            self.start,
            self.data.rows,
        )

    def parameters(self) -> dict[str, nn.Parameter]:
        """All trained parameters by name: ``encoder.<name>`` and ``head.<task>.<name>``."""
        named = {f"encoder.{n}": p for n, p in self.encoder.named_parameters()}
        return named | {f"head.{n}": p for n, p in self.heads.named_parameters()}

    # -- stepping ---------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or ``patience`` evaluations have brought no gain."""
        patience = self.schedule.shared_hyperparameters.patience
        return self.step >= self.schedule.total or self.history.without_gain >= patience

    def steps(self) -> Iterator[list[Event]]:
        """Do the remaining steps, one an iteration; yield the events of each.

        The loss of a step is fetched while the next one is computed, so its `StepDone` comes one
        iteration later. Between two iterations `state` and `checkpoint` are those of ``step``.
        Raises `TrainingError` where a loss or a gradient is NaN or infinite.
        """
        self.train_mode(True)
        while not self.finished:
            self._queue_step(*self.schedule.batch(self.step))
            self.step += 1
            every = self.schedule.shared_hyperparameters.eval_every
            if self.step % every == 0 or self.step == self.schedule.total:
                self._score_development()
            if self.finished:
                self._finish_pending_step()
            yield self.take_events()

    def finish_step(self) -> list[Event]:
        """Wait for the step that was queued last; give the events that nobody has taken yet."""
        self._finish_pending_step()
        return self.take_events()

    def take_events(self) -> list[Event]:
        """The events that nobody has taken yet, in order."""
        events, self._events = self._events, []
        return events

    def train_mode(self, on: bool) -> None:
        """Switch dropout on or off."""
        self.encoder.train(on)
        self.heads.train(on)

    def _queue_step(self, task: str, instances: np.ndarray) -> None:
        """Queue a step on the device, then fetch the scalars of the step before it."""
        loss = self.gradients.compute(self.step, task, instances)
        title = f"step {self.step + 1} of {task}"
        clip_norm = self.schedule.hyperparameters[task].clip_norm
        learning_rate = self.schedule.learning_rate(self.step, task)
        norm = self.update.step(title, learning_rate, clip_norm)
        self.gradients.zero()
        self.decay *= 1.0 - learning_rate * self.schedule.shared_hyperparameters.weight_decay
        tokens = int(self.data.lengths[task][instances].sum())
        scalars = AsyncScalars(torch.stack([loss, norm]))
        self._finish_pending_step()
        self._pending = _PendingStep(self.step + 1, task, learning_rate, tokens, scalars)

    def _finish_pending_step(self) -> None:
        """Fetch the loss and the gradient norm of the last step that was queued.

        This is late, so that a GPU has the next step to do while the host waits for this one; but
        nothing is evaluated, saved or left before it. Raises `TrainingError` where either is NaN
        or infinite.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return
        loss, norm = pending.scalars.tolist()
        for name, value in (("loss", loss), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                learning_rate = self.schedule.hyperparameters[pending.task].learning_rate
                raise TrainingError(
                    f"{pending.task}: the {name} is {value} at step {pending.step} of "
                    f"{self.schedule.total}; a lower learning_rate than {learning_rate} may help"
                )
        self.losses[pending.task] = loss
        done = StepDone(pending.step, pending.task, loss, pending.learning_rate, pending.tokens)
        self._events.append(done)

    def _score_development(self) -> None:
        if self.development is None:
            return
        self._finish_pending_step()
        self.train_mode(False)
        scores, constant = self.development.score(
            self.encoder, self.heads, self.decay, self.device, self.gradients.budget
        )
        self.train_mode(True)
        best = self.history.update(self.step, scores, constant)
        mean = sum(scores.values()) / len(scores)
        self._events.append(DevScored(self.step, mean, scores, best))

    # -- results ----------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The trained state after the steps so far."""
        self._finish_pending_step()
        heads = {name: p.detach() for name, p in self.heads.state_dict().items()}
        return Checkpoint.from_training(self.encoder, heads, self.data.rows, self.decay, self.start)

    def outcomes(self) -> dict[str, Any]:
        """What came of the training, for its stamp: deterministic values as JSON."""
        features = self.data.features
        return {
            "steps": self.step,
            "items": {name: len(f) for name, f in features.items()},
            "lost": {name: dict(sorted(f.counts.items())) for name, f in features.items()},
            "last_loss": dict(sorted(self.losses.items())),
            "heads": dict(sorted(self.head_init.items())),
            "selection": self._selection(),
            "embedding_rows": len(self.data.rows),
            "micro_batch_tokens": self.gradients.budget,
            "device": self.device.kind,
            "precision": self.device.precision,
        } | ({"more_steps": self.more_steps} if self.job.more_steps else {})

    def _selection(self) -> dict[str, Any]:
        if self.development is None:
            wanted = self.schedule.shared_hyperparameters.selection
            return {"kept": "last"} | ({"why": "no dev split"} if wanted == "best" else {})
        return {
            "kept": "best",
            "step": self.history.best_step,
            "dev": dict(sorted(self.history.best_scores.items())),
            "dev_examples": {name: len(x) for name, x in self.development.examples.items()},
            "evaluations": self.history.evaluations,
            "stopped_early": self.step < self.schedule.total,
            "majority_class": self.history.constant,
        }

    # -- saving and restoring ---------------------------------------------------------------------

    def state(self) -> TrainerState:
        """Parameters, the optimiser's moments, and the numbers that change from step to step."""
        self._finish_pending_step()
        tensors = {f"parameter.{name}": p.detach() for name, p in self.parameters().items()}
        tensors |= self.update.moments()
        progress = {
            "step": self.step,
            "decay": self.decay.hex(),
            "budget": self.gradients.budget,
            "losses": {name: value.hex() for name, value in self.losses.items()},
            "history": self.history.as_json(),
        }
        return TrainerState(tensors, progress)

    def restore(self, state: TrainerState) -> None:
        """Go on from a state of this very job.

        Raises `KeyError`, `TypeError` or `ValueError` where the state lacks something; the trainer
        is as it was then.
        """
        tensors, progress = state.tensors, state.progress
        parameters = self.parameters()
        values = {name: tensors[f"parameter.{name}"] for name in parameters}
        step, decay = int(progress["step"]), float.fromhex(progress["decay"])
        budget = int(progress["budget"])
        losses = {name: float.fromhex(value) for name, value in progress["losses"].items()}
        history = SelectionHistory(**progress["history"])
        self.update.restore(tensors)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(values[name])
        self.step, self.decay, self.losses, self.history = step, decay, losses, history
        self.gradients.budget = budget
