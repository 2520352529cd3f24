"""Training: fine-tune an encoder on one task or several, and leave a checkpoint that is proved.

The loop touches only the rows of the embedding matrix that occur in the training data (exact under
AdamW: other rows have no gradient and no moments, only their weight decay, one factor for all),
spends nothing on padding, and can be killed at any moment: it goes on from its last saved state and
ends with the same bits, because every random draw derives from the seed and the step alone.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from xstilts.data.examples import joined, subset
from xstilts.errors import EncoderError, LineageError, TrainingError
from xstilts.models import checkpoint
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.device import Awaited, Device
from xstilts.models.heads import initialise
from xstilts.models.network.weights import Weights
from xstilts.provenance.digests import file_crc32, file_sha256
from xstilts.provenance.files import write_atomically
from xstilts.provenance.run_record import RunRecord
from xstilts.provenance.stamp import verify, write_stamp
from xstilts.runtime.lock import artefact_lock
from xstilts.seeds import derive
from xstilts.training import dev_evaluation, model_selection, saved_state
from xstilts.training.data import TrainingData
from xstilts.training.dev_evaluation import Development
from xstilts.training.log import Curves
from xstilts.training.model_selection import Record, best_file
from xstilts.training.saved_state import STATE
from xstilts.training.schedule import MLM, Schedule
from xstilts.training.step import Gradients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

    from xstilts.training.job import TaskJob, TrainingJob

STOPPED = 128 + signal.SIGTERM
"""Exit status of a training that saved its state and stopped because a signal asked it to."""


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM and SIGUSR1, which schedulers send before they end a job.

    Gives a function that says whether one has come; the loop asks it between steps.
    """
    received: list[int] = []
    signals = (signal.SIGTERM, signal.SIGUSR1)
    handlers = {s: signal.signal(s, lambda number, _: received.append(number)) for s in signals}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run(job: TrainingJob) -> None:
    """Train, save the checkpoint and stamp it, unless this very checkpoint exists already.

    Another process may have trained it since this job was planned. Raises `TrainingError` on an
    infinite loss, and if files cannot be written.
    """
    inputs = _verified_inputs(job)
    with _told_where(job), artefact_lock(job.folder):
        if _already_trained(job, inputs):
            print("the checkpoint exists: nothing to train", flush=True)
        else:
            _train(job, inputs)
        (job.folder / STATE).unlink(missing_ok=True)
        model_selection.forget_others(job.folder, set())


@contextmanager
def _told_where(job: TrainingJob) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{job.folder}: cannot be written to ({error})") from error


def _already_trained(job: TrainingJob, inputs: dict[str, str]) -> bool:
    """Whether the job's checkpoint lies in its folder, whole, and of these inputs."""
    for old in (job.stamp, job.folder / STATE):
        if job.redo_before and old.exists() and old.stat().st_mtime < job.redo_before:
            old.unlink()  # the user forces this training (snakemake -R train)
    try:
        stamp = verify(job.stamp, job.spec)
    except LineageError:
        return False
    return bool(stamp["inputs"] == inputs)


def _train(job: TrainingJob, inputs: dict[str, str]) -> None:
    # of a process that was killed while it wrote: ours, and those of safetensors beneath
    for left in (*job.folder.glob(".*.tmp"), *job.folder.glob(".tmp*")):
        left.unlink(missing_ok=True)
    clock = RunRecord()
    training = Training(job)
    with training.device.threads(), stop_requested() as interrupted:
        resumed_from = training.resume()
        for _ in training.steps(interrupted):
            pass
    weights = job.folder / checkpoint.FILE
    training.write(weights)
    device = training.device.facts()
    clock.write(job.folder / "run.json", resumed_from=resumed_from, **device)
    outcomes = training.outcomes()
    write_stamp(job.stamp, spec=job.spec, inputs=inputs, files=[weights], outcomes=outcomes)


def _verified_inputs(job: TrainingJob) -> dict[str, str]:
    """Check the bytes of everything that is read; give the sha256 of each input's stamp."""
    inputs = _inputs(job)
    stamps = {
        role: verify(stamp, job.specs.get(stamp)) for role, stamp in _input_stamps(job).items()
    }
    if job.start and stamps["start"]["inputs"].get("encoder") != inputs["encoder"]:
        raise LineageError(f"{job.start}: was trained from another {job.encoder} than there is now")
    return inputs


def _inputs(job: TrainingJob) -> dict[str, str]:
    return {role: file_sha256(stamp) for role, stamp in _input_stamps(job).items()}


def _input_stamps(job: TrainingJob) -> dict[str, Path]:
    stamps = {"encoder": job.encoder} | ({"start": job.start} if job.start else {})
    for task in job.tasks:
        stamps |= _roles(f"examples.{task.name}", task.examples)
        stamps |= _roles(f"dev.{task.name}", task.dev)
    return stamps | _roles("mlm", job.mlm.examples if job.mlm else ())


def _roles(role: str, stamps: tuple[Path, ...]) -> dict[str, Path]:
    """A name for each of some stamps: the role alone where there is one, else with its place."""
    if len(stamps) == 1:
        return {role: stamps[0]}
    return {f"{role}.{place}": stamp for place, stamp in enumerate(stamps)}


@dataclass(frozen=True)
class _Queued:
    """A step whose work is queued on the device: what it will say, and what is to be logged."""

    step: int  # from 1
    task: str
    rate: float
    tokens: int
    numbers: Awaited  # its loss, and the norm of its gradient


class Training:
    """The state of a training between two steps."""

    def __init__(self, job: TrainingJob) -> None:
        """Read and tokenise the data, build the network, plan the steps."""
        self.job = job
        self._inputs = _inputs(job)
        self.device = Device.choose(job.compute)
        self._folder = job.encoder.parent
        self.data = TrainingData(job.tasks, job.mlm, self._folder)
        start = job.start.parent / checkpoint.FILE if job.start else None
        self.before = Checkpoint.load(start, self._folder) if start else None
        self.encoder = checkpoint.build(self._folder, self.before, self.data.rows)
        self.encoder.to(self.device.torch)
        self._check_lengths()
        self.begun_with: dict[str, str] = {}  # where each head comes from
        self.heads = nn.ModuleDict({task.name: self._head(task) for task in job.tasks})
        if job.mlm:
            self.heads[MLM] = self._mlm_head()
        self.heads.to(self.device.torch)
        sizes = {name: len(f) for name, f in self.data.features.items()}
        hyperparameters = {task.name: task.hyperparameters for task in job.tasks}
        mlm = job.mlm.choices if job.mlm else None
        self.plan = Schedule(hyperparameters, sizes, job.multi, job.seed, mlm)
        self._development = self._dev()
        self.record = Record()
        self.optimizer = self._optimizer()
        self._trained = list(self._parameters().values())
        self.gradients = Gradients(
            self.data,
            self.encoder,
            self.heads,
            self.device,
            self.plan.hyperparameters,
            job.seed,
            job.compute.micro_batch_tokens,
        )
        self.step = 0
        self.shrunk = 1.0  # factor of every embedding row that does not occur
        self.losses: dict[str, float] = {}
        self._queued: _Queued | None = None
        self._curves = Curves(job.folder, self.plan.total)

    # -- building ---------------------------------------------------------------------------------

    def _check_lengths(self) -> None:
        allowed = self.encoder.shape.longest
        for name, features in self.data.features.items():
            longest = max(map(len, features.sequences))
            if longest > allowed:
                raise EncoderError(
                    f"{name}: a sequence of {longest} tokens; {self._folder} takes "
                    f"{allowed}: lower max_length"
                )

    def _head(self, task: TaskJob) -> nn.Module:
        """A new head, or the one to go on with where the start has it in the same shape."""
        head = self.data.task_models[task.name].head(self.encoder.shape.hidden, task.labels)
        self._initialise(head, task.name)
        earlier = self.before.head(task.head_from) if self.before and task.head_from else {}
        shapes = {name: p.shape for name, p in head.state_dict().items()}
        fits = bool(earlier) and {name: p.shape for name, p in earlier.items()} == shapes
        if fits:
            head.load_state_dict(earlier)
        self.begun_with[task.name] = str(task.head_from) if fits else "new"
        return head

    def _mlm_head(self) -> nn.Module:
        head: nn.Module = self.data.mlm.head(self.encoder.shape.hidden, len(self.data.rows))
        self._initialise(head, MLM)
        found = self.data.mlm.pretrained(Weights(self._folder).body(), head)
        if found is not None:
            head.load_state_dict(found)
        self.begun_with[MLM] = "new" if found is None else "pretrained"
        return head

    def _initialise(self, head: nn.Module, name: str) -> None:
        generator = torch.Generator().manual_seed(derive(self.job.seed, "head", name))
        initialise(head, generator)

    def _dev(self) -> Development | None:
        """The development data, where a checkpoint is to be chosen on some."""
        if self.plan.leading.selection == "last":
            return None
        rows = {}
        for task in self.job.tasks:
            if task.dev:
                found = dev_evaluation.labelled(joined(task.dev), task.dev)
                rows[task.name] = subset(found, task.hyperparameters.dev_examples, task.name)
        if not rows:
            return None
        data = self.data
        about = (self.job.tasks, rows, data.tokenizer, self._folder, self.before, data.rows)
        return Development(*about)

    def _parameters(self) -> dict[str, nn.Parameter]:
        named = {f"encoder.{n}": p for n, p in self.encoder.named_parameters()}
        return named | {f"head.{n}": p for n, p in self.heads.named_parameters()}

    def _optimizer(self) -> torch.optim.AdamW:
        """AdamW with weight decay on matrices, not on biases and norms (as BERT and jiant)."""
        modules = (*self.encoder.modules(), *self.heads.modules())
        norms = {p for m in modules if isinstance(m, nn.LayerNorm) for p in m.parameters()}
        decayed: list[nn.Parameter] = []
        kept: list[nn.Parameter] = []
        for name, parameter in self._parameters().items():
            (kept if name.endswith("bias") or parameter in norms else decayed).append(parameter)
        h = self.plan.leading
        return torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": h.weight_decay},
                {"params": kept, "weight_decay": 0.0},
            ],
            lr=h.learning_rate,
            eps=h.adam_epsilon,
            fused=True,
        )

    # -- stepping ---------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or as many evaluations without a gain as are allowed."""
        patience = self.plan.leading.patience
        return self.step >= self.plan.total or self.record.without_gain >= patience

    def steps(self, interrupted: Callable[[], bool]) -> Iterator[int]:
        """Do every step that is left, saving the state now and then."""
        self._train_mode(True)
        saved = time.monotonic()
        while not self.finished:
            task, items = self.plan.batch(self.step)
            self._one_step(task, items)
            self.step += 1
            every = self.plan.leading.eval_every
            if self.step % every == 0 or self.step == self.plan.total:
                self._evaluate()
            yield self.step
            if interrupted():
                self._save_if_possible()
                raise SystemExit(STOPPED)
            if time.monotonic() - saved > self.job.save_every:
                self._save_if_possible()
                saved = time.monotonic()
        self._settle()

    def _train_mode(self, on: bool) -> None:
        self.encoder.train(on)
        self.heads.train(on)

    def _one_step(self, task: str, items: np.ndarray) -> None:
        """Queue a step; nothing waits for it but the look at the one before."""
        total = self.gradients.of_step(self.step, task, items)
        clip_norm = self.plan.hyperparameters[task].clip_norm
        norm = nn.utils.clip_grad_norm_(self._trained, clip_norm)
        rate = self.plan.rate(self.step, task)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.gradients.zero()
        self.shrunk *= 1.0 - rate * self.plan.leading.weight_decay
        tokens = int(self.data.lengths[task][items].sum())
        numbers = Awaited(torch.stack([total, norm]))
        self._settle()
        self._queued = _Queued(self.step + 1, task, rate, tokens, numbers)

    def _settle(self) -> None:
        """See what the last step came to: one that is no number ends the training.

        This is late, so that a GPU has the next step to do while its host waits for this one; but
        nothing is evaluated, saved or left before it.
        """
        last, self._queued = self._queued, None
        if last is None:
            return
        loss, norm = last.numbers.tolist()
        for name, value in (("loss", loss), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                rate = self.plan.hyperparameters[last.task].learning_rate
                raise TrainingError(
                    f"{last.task}: the {name} is {value} at step {last.step} of {self.plan.total}; "
                    f"a lower learning_rate than {rate} may help"
                )
        self.losses[last.task] = loss
        self._curves.step(last.step, last.task, loss, last.rate, last.tokens)

    # -- selecting --------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Score the development data and keep the checkpoint if it is the best so far."""
        if self._development is None:
            return
        self._settle()
        self._train_mode(False)
        budget = self.gradients.budget
        scores, collapsed = self._development.score(
            self.encoder, self.heads, self.shrunk, self.device, budget
        )
        self._train_mode(True)
        better = self.record.take(self.step, scores, collapsed)
        if better:
            path = best_file(self.job.folder, self.step)
            self.checkpoint().save(path, self._folder)
            self.record.crc32 = file_crc32(path)
            # the one that the saved state names is needed until another state is saved
            model_selection.forget_others(self.job.folder, {self.step, self._saved_best})
        mean = sum(scores.values()) / len(scores)
        self._curves.dev(self.step, mean, scores, best=better)

    # -- results ----------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The trained state."""
        self._settle()
        heads = {name: p.detach() for name, p in self.heads.state_dict().items()}
        return checkpoint.after_training(
            self.encoder, heads, self.data.rows, self.shrunk, self.before
        )

    def write(self, path: Path) -> None:
        """Write the checkpoint that the training leaves: the best one, or the last."""
        if not self.record.best_step:
            self.checkpoint().save(path, self._folder)
            return
        best = best_file(self.job.folder, self.record.best_step)
        if file_crc32(best) != self.record.crc32:
            raise TrainingError(f"{best}: its bytes have changed; delete it and start again")
        with write_atomically(path) as temporary:
            shutil.copyfile(best, temporary)

    def outcomes(self) -> dict[str, Any]:
        """Deterministic outcomes for the stamp."""
        return {
            "steps": self.step,
            "items": {name: len(f) for name, f in self.data.features.items()},
            "lost": {
                name: dict(sorted(f.counts.items())) for name, f in self.data.features.items()
            },
            "last_loss": dict(sorted(self.losses.items())),
            "heads": dict(sorted(self.begun_with.items())),
            "selection": self._selected(),
            "embedding_rows": len(self.data.rows),
            "micro_batch_tokens": self.gradients.budget,
            "device": self.device.kind,
            "precision": self.device.precision,
        }

    def _selected(self) -> dict[str, Any]:
        if self._development is None:
            wanted = self.plan.leading.selection
            return {"kept": "last"} | ({"why": "no dev split"} if wanted == "best" else {})
        return {
            "kept": "best",
            "step": self.record.best_step,
            "dev": dict(sorted(self.record.best_scores.items())),
            "dev_examples": {name: len(rows) for name, rows in self._development.rows.items()},
            "evaluations": self.record.evaluations,
            "stopped_early": self.step < self.plan.total,
            "majority_class": self.record.collapsed,
        }

    # -- resuming ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state, atomically: parameters, moments and how far we are."""
        self._settle()
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters().items():
            moments = self.optimizer.state.get(parameter, {})
            tensors[f"parameter.{name}"] = parameter.detach()
            tensors |= {f"{key}.{name}": moments[key] for key in moments}
        about = self._identity() | {
            "step": self.step,
            "shrunk": self.shrunk.hex(),
            "budget": self.gradients.budget,
            "losses": {name: value.hex() for name, value in self.losses.items()},
            "record": self.record.as_json(),
        }
        saved_state.save(self.job.folder / STATE, tensors, about)
        self._saved_best = self.record.best_step
        model_selection.forget_others(self.job.folder, {self._saved_best})

    def _save_if_possible(self) -> None:
        """A disk that is full now may not be later: the training goes on, the last state stays."""
        try:
            self.save()
        except (OSError, SafetensorError) as error:
            path = self.job.folder / STATE
            print(f"{path}: cannot be saved at step {self.step} ({error})", flush=True)

    def resume(self) -> int:
        """Take up a saved state of this very training; return its step, 0 when there is none.

        A state that cannot be read, or that is of another spec, other inputs or another kind of
        device, or whose best checkpoint is not there as it was, is dropped.
        """
        self._take_up()
        model_selection.forget_others(self.job.folder, {self._saved_best})
        self._curves.rewind(self.step)
        return self.step

    def _take_up(self) -> None:
        path = self.job.folder / STATE
        found = saved_state.load(path, self._identity())
        if found is None:
            return
        tensors, about = found
        try:
            record = Record(**about["record"])
            self._check_best(record)
            self._restore(tensors, about)
            self.record, self._saved_best = record, record.best_step
            print(f"resumed at step {self.step} of {self.plan.total}", flush=True)
        except (OSError, KeyError, TypeError, ValueError) as error:
            saved_state.refuse(path, str(error))

    _saved_best = 0  # step of the best checkpoint that the saved state names

    def _check_best(self, record: Record) -> None:
        if not record.best_step:
            return
        best = best_file(self.job.folder, record.best_step)
        if file_crc32(best) != record.crc32:
            raise ValueError(f"the bytes of {best.name} have changed")

    def _identity(self) -> dict[str, Any]:
        """What a saved state must agree with to be taken up."""
        return {
            "spec": self.job.spec,
            "inputs": self._inputs,
            "device": self.device.kind,
            "precision": self.device.precision,
        }

    def _restore(self, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
        parameters = self._parameters()
        moments = {key.split(".")[0] for key in tensors} - {"parameter"}
        values = {name: tensors[f"parameter.{name}"] for name in parameters}
        states = {
            name: {m: tensors[key] for m in moments if (key := f"{m}.{name}") in tensors}
            for name in parameters
        }
        step, shrunk = int(about["step"]), float.fromhex(about["shrunk"])
        budget = int(about["budget"])
        losses = {name: float.fromhex(value) for name, value in about["losses"].items()}
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(values[name])
                if states[name]:  # a head that has had no step yet has no moments
                    self.optimizer.state[parameter] = {
                        key: value.to(self.device.torch) for key, value in states[name].items()
                    }
        self.step, self.shrunk, self.losses = step, shrunk, losses
        self.gradients.budget = budget
