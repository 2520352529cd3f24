"""Training: fine-tune an encoder on one task or several, and leave a checkpoint that is proved.

The loop touches only the rows of the embedding matrix that occur in the training data (exact under
AdamW: other rows have no gradient and no moments, only their weight decay, one factor for all),
spends nothing on padding, and can be killed at any moment: it goes on from its last saved state and
ends with the same bits, because every random draw derives from the seed and the step alone.

A step trains on as many examples as the study says, whatever the device holds: it is cut into
micro-batches by their tokens, and how it is cut changes nothing but rounding.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from xstilts import checkpoints, examples, formats, resume, selection
from xstilts.batching import Features, by_tokens, pack
from xstilts.checkpoints import Checkpoint
from xstilts.curves import Curves
from xstilts.devices import Device
from xstilts.errors import DataError, EncoderError, LineageError, TrainingError
from xstilts.heads import initialise
from xstilts.lease import lease
from xstilts.lineage import Run, file_sha256, verify, write_atomically, write_stamp
from xstilts.memory import halved, is_out_of_memory
from xstilts.network import Weights
from xstilts.resume import STATE
from xstilts.schedule import MLM, Schedule
from xstilts.seeds import derive, rank
from xstilts.selection import Development, Record, best_file
from xstilts.tokenization import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xstilts.batching import Batch
    from xstilts.hyperparameters import Hyperparameters
    from xstilts.study import Compute, Mlm, Multi

MADE = "made.json"  # the stamp, once more, where Snakemake does not delete it


@dataclass(frozen=True)
class TaskJob:
    """One task to train on: its examples and how.

    ``examples`` are the stamps of its training data, read one after the other (parts of a task, or
    the same task in several languages); ``dev`` those of the split that the best checkpoint is
    chosen on, scored with ``scorer`` and its metric ``primary``. With ``head_from`` the head is not
    new but the one that the start checkpoint has of that name, where it has the same shape.
    """

    name: str
    format: str
    labels: tuple[str, ...]
    examples: tuple[Path, ...]
    hyperparameters: Hyperparameters
    scorer: str
    primary: str
    dev: tuple[Path, ...] = ()
    head_from: str | None = None


@dataclass(frozen=True)
class MlmJob:
    """Masked language modelling mixed in: stamps of its texts, and how much of it."""

    examples: tuple[Path, ...]
    choices: Mlm


@dataclass(frozen=True)
class TrainingJob:
    """One training, whole: what it starts from, what it learns, where it leaves the result."""

    stamp: Path
    spec: str
    encoder: Path  # stamp of the encoder
    start: Path | None  # stamp of an earlier checkpoint
    tasks: tuple[TaskJob, ...]
    multi: Multi
    compute: Compute
    seed: int
    mlm: MlmJob | None = None
    save_every: float = 120.0  # seconds between saved states

    @property
    def folder(self) -> Path:
        """Where everything of this training lies."""
        return self.stamp.parent


def run(job: TrainingJob) -> None:
    """Train, save the checkpoint and stamp it.

    Where this very checkpoint lies there whole, only its stamp is put back: Snakemake deletes a
    stamp before it runs a job, also one that another process is finishing. Raises `TrainingError`
    on an infinite loss, and where files cannot be written.
    """
    inputs = _verified_inputs(job)
    try:
        with lease(job.folder):
            if not _made_before(job, inputs):
                _train(job, inputs)
            with write_atomically(job.stamp) as temporary:
                shutil.copyfile(job.folder / MADE, temporary)
            (job.folder / STATE).unlink(missing_ok=True)
            selection.forget_others(job.folder, set())
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{job.folder}: cannot be written to ({error})") from error


def _made_before(job: TrainingJob, inputs: dict[str, str]) -> bool:
    try:
        made = verify(job.folder / MADE)
    except LineageError:
        return False
    if made["spec"] != job.spec or made["inputs"] != inputs:
        return False
    print("made before: nothing to train", flush=True)
    return True


def _train(job: TrainingJob, inputs: dict[str, str]) -> None:
    clock = Run()
    # of a process that was killed while it wrote: ours, and those of safetensors beneath
    for left in (*job.folder.glob(".*.tmp"), *job.folder.glob(".tmp*")):
        left.unlink(missing_ok=True)
    training = Training(job)
    with training.device.threads(), _politely_interrupted() as interrupted:
        resumed_from = training.resume()
        for _ in training.steps(interrupted):
            pass
    weights = job.folder / checkpoints.FILE
    training.write(weights)
    clock.write(job.folder / "run.json", resumed_from=resumed_from, **training.device.facts())
    facts = training.facts()
    write_stamp(job.folder / MADE, spec=job.spec, inputs=inputs, files=[weights], facts=facts)


def _verified_inputs(job: TrainingJob) -> dict[str, str]:
    """Check the bytes of everything that is read; give the sha256 of each input's stamp."""
    inputs = _inputs(job)
    stamps = {role: verify(stamp) for role, stamp in _input_stamps(job).items()}
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


class Training:
    """The state of a training between two steps."""

    def __init__(self, job: TrainingJob) -> None:
        """Read and tokenise the data, build the network, plan the steps."""
        self.job = job
        self._inputs = _inputs(job)
        self.device = Device.choose(job.compute)
        self._folder = job.encoder.parent
        self._tokenizer = Tokenizer(self._folder)
        # no format of a card: it is only imported, and in the spec's code, where it is mixed in
        self._mlm: Any = formats.get("mlm") if job.mlm else None
        self.formats = {task.name: formats.get(task.format) for task in job.tasks}
        raw = {task.name: self._features(task) for task in job.tasks}
        raw |= {MLM: self._texts(job.mlm)} if job.mlm else {}
        self.rows = self._rows_trained(raw)
        self.features = {
            name: features.renumbered(self.rows.numpy()) for name, features in raw.items()
        }
        start = job.start.parent / checkpoints.FILE if job.start else None
        self.before = Checkpoint.load(start, self._folder) if start else None
        self.encoder = checkpoints.build(self._folder, self.before, self.rows)
        self.encoder.to(self.device.torch)
        self._check_lengths()
        self.begun_with: dict[str, str] = {}  # where each head comes from
        self.heads = nn.ModuleDict({task.name: self._head(task) for task in job.tasks})
        if job.mlm:
            self.heads[MLM] = self._mlm_head()
        self.heads.to(self.device.torch)
        self.lengths = {name: f.lengths() for name, f in self.features.items()}
        sizes = {name: len(f) for name, f in self.features.items()}
        hyperparameters = {task.name: task.hyperparameters for task in job.tasks}
        mlm = job.mlm.choices if job.mlm else None
        self.plan = Schedule(hyperparameters, sizes, job.multi, job.seed, mlm)
        self._development = self._dev()
        self.record = Record()
        self.optimizer = self._optimizer()
        self.step = 0
        self.shrunk = 1.0  # factor of every embedding row that does not occur
        self.budget = job.compute.micro_batch_tokens
        self.losses: dict[str, float] = {}
        self._curves = Curves(job.folder, self.plan.total)

    # -- building ---------------------------------------------------------------------------------

    def _features(self, task: TaskJob) -> Features:
        rows = joined(task.examples)
        rows = subset(rows, task.hyperparameters.max_examples, task.name)
        features = self.formats[task.name].encode(
            rows, self._tokenizer, task.labels, task.hyperparameters, training=True
        )
        if not len(features):
            where = ", ".join(map(str, task.examples))
            raise DataError(f"{where}: no example that {task.name!r} can be trained on")
        return features

    def _texts(self, mlm: MlmJob) -> Features:
        choices = mlm.choices
        self._mask = self._tokenizer.mask  # which it must have
        parts = [joined([stamp]) for stamp in mlm.examples]  # one language each
        texts = [r for part in parts for r in subset(part, choices.max_examples, MLM)]
        features: Features = self._mlm.encode(
            texts, self._tokenizer, choices.mask, choices.max_length
        )
        if not len(features):
            where = ", ".join(map(str, mlm.examples))
            raise DataError(f"{where}: no text for masked language modelling")
        return features

    def _rows_trained(self, features: dict[str, Features]) -> torch.Tensor:
        """The rows of the vocabulary that occur; all of them where a softmax is over all."""
        if self.job.mlm:
            return torch.arange(Weights(self._folder).vocabulary)
        used = np.unique(np.concatenate([f.tokens_used() for f in features.values()]))
        return torch.from_numpy(used.astype(np.int64))

    def _check_lengths(self) -> None:
        allowed = self.encoder.shape.longest
        for name, features in self.features.items():
            longest = max(map(len, features.sequences))
            if longest > allowed:
                raise EncoderError(
                    f"{name}: a sequence of {longest} tokens; {self._folder} takes "
                    f"{allowed}: lower max_length"
                )

    def _head(self, task: TaskJob) -> nn.Module:
        """A new head, or the one to go on with where the start has it in the same shape."""
        head = self.formats[task.name].head(self.encoder.shape.hidden, task.labels)
        self._initialise(head, task.name)
        earlier = self.before.head(task.head_from) if self.before and task.head_from else {}
        shapes = {name: p.shape for name, p in head.state_dict().items()}
        fits = bool(earlier) and {name: p.shape for name, p in earlier.items()} == shapes
        if fits:
            head.load_state_dict(earlier)
        self.begun_with[task.name] = str(task.head_from) if fits else "new"
        return head

    def _mlm_head(self) -> nn.Module:
        head = self._mlm.Head(self.encoder.shape.hidden, len(self.rows))
        self._initialise(head, MLM)
        found = self._mlm.pretrained(Weights(self._folder).body(), head)
        if found is not None:
            head.load_state_dict(found)
        self.begun_with[MLM] = "new" if found is None else "pretrained"
        return head  # type: ignore[no-any-return]

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
                found = selection.labelled(joined(task.dev), task.dev)
                rows[task.name] = subset(found, task.hyperparameters.dev_examples, task.name)
        if not rows:
            return None
        about = (self.job.tasks, rows, self._tokenizer, self._folder, self.before, self.rows)
        return Development(*about)

    def _parameters(self) -> dict[str, nn.Parameter]:
        named = {f"encoder.{n}": p for n, p in self.encoder.named_parameters()}
        return named | {f"head.{n}": p for n, p in self.heads.named_parameters()}

    def _optimizer(self) -> torch.optim.AdamW:
        """AdamW with weight decay on matrices, not on biases and norms (as BERT and jiant)."""
        decayed: list[nn.Parameter] = []
        kept: list[nn.Parameter] = []
        for name, parameter in self._parameters().items():
            (kept if name.endswith("bias") or "norm" in name else decayed).append(parameter)
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
                raise SystemExit(128 + signal.SIGTERM)
            if time.monotonic() - saved > self.job.save_every:
                self._save_if_possible()
                saved = time.monotonic()

    def _train_mode(self, on: bool) -> None:
        self.encoder.train(on)
        self.heads.train(on)

    def _one_step(self, task: str, items: np.ndarray) -> None:
        h = self.plan.hyperparameters[task]
        total = self._gradient(task, items)
        norm = nn.utils.clip_grad_norm_(list(self._parameters().values()), h.clip_norm).item()
        for name, value in (("loss", total), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                raise TrainingError(
                    f"{task}: the {name} is {value} at step {self.step + 1} of {self.plan.total}; "
                    f"a lower learning_rate than {h.learning_rate} may help"
                )
        rate = self.plan.rate(self.step, task)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.shrunk *= 1.0 - rate * self.plan.leading.weight_decay
        self.losses[task] = total
        tokens = int(self.lengths[task][items].sum())
        self._curves.step(self.step + 1, task, total, rate, tokens)

    def _gradient(self, task: str, items: np.ndarray) -> float:
        """Sum up the gradient of a step; gives its loss.

        What does not fit in memory is done again, whole, in parts of half as many tokens.
        """
        while True:
            self.optimizer.zero_grad()
            micros = list(by_tokens(self.lengths[task], items.tolist(), self.budget))
            try:
                return self._sum_gradients(task, micros)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # out of the handler, where the failed pass is not held by its traceback
            self._halve_budget(task, micros)

    def _halve_budget(self, task: str, micros: list[list[int]]) -> None:
        self.optimizer.zero_grad()
        tokens = max(int(self.lengths[task][micro].sum()) for micro in micros)
        what = f"step {self.step + 1} of {task}"
        self.budget = halved(what, self.budget, tokens, max(map(len, micros)))

    def _sum_gradients(self, task: str, micros: list[list[int]]) -> float:
        weight = float(sum(self.features[task].weights[micro].sum() for micro in micros))
        form = self.formats.get(task)
        if form is not None and getattr(form, "WHOLE_STEP", False):
            return self._through_outputs(task, micros, weight)
        total = 0.0
        for micro in micros:
            batch, outputs = self._forward(task, micro)
            loss = self._loss(task, outputs, batch) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    def _through_outputs(self, task: str, micros: list[list[int]], weight: float) -> float:
        """For a loss that compares all items of a step: first the outputs, then the gradients.

        Every part is computed twice: without gradients, for the loss of all outputs together, and
        again to pass their gradients on (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
        Size under Memory Limited Setup"). Dropout is the same both times.
        """
        if len(micros) == 1:
            batch, outputs = self._forward(task, micros[0])
            loss = self._loss(task, outputs, batch) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()
        with torch.no_grad():
            parts = [self._forward(task, micro)[1].float() for micro in micros]
        everything = pack(self.features[task], [i for micro in micros for i in micro])
        outputs = torch.cat(parts).requires_grad_()
        loss = self._loss(task, outputs, everything) / weight
        loss.backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        grads = outputs.grad.split([len(p) for p in parts])  # type: ignore[no-untyped-call]
        for micro, grad in zip(micros, grads, strict=True):
            self._forward(task, micro)[1].float().backward(grad)
        return loss.item()

    def _forward(self, task: str, micro: list[int]) -> tuple[Batch, Any]:
        stream = derive(self.job.seed, "dropout", self.step)
        batch = pack(self.features[task], micro, self.device.torch, stream)
        if task == MLM:
            count = min(self._tokenizer.vocabulary, len(self.rows))
            batch = self._mlm.masked(batch, self._mask, count)
        with self.device.autocast():
            return batch, self.heads[task](self.encoder(batch), batch)

    def _loss(self, task: str, outputs: Any, batch: Batch) -> torch.Tensor:
        if task == MLM:
            outputs = outputs.to(self.device.dtype)
            words, head = self.encoder.words.weight, self.heads[MLM]
            return self._mlm.loss(outputs, batch, words, head)  # type: ignore[no-any-return]
        smoothing = self.plan.hyperparameters[task].label_smoothing
        return self.formats[task].loss(outputs, batch, smoothing)

    # -- selecting --------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Score the development data and keep the checkpoint if it is the best so far."""
        if self._development is None:
            return
        self._train_mode(False)
        budget = self.budget
        scores, collapsed = self._development.score(
            self.encoder, self.heads, self.shrunk, self.device, budget
        )
        self._train_mode(True)
        better = self.record.take(self.step, scores, collapsed)
        if better:
            path = best_file(self.job.folder, self.step)
            self.checkpoint().save(path, self._folder)
            self.record.crc32 = selection.file_crc32(path)
            # the one that the saved state names is needed until another state is saved
            selection.forget_others(self.job.folder, {self.step, self._saved_best})
        mean = sum(scores.values()) / len(scores)
        self._curves.dev(self.step, mean, scores, best=better)

    # -- results ----------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The trained state."""
        heads = {name: p.detach() for name, p in self.heads.state_dict().items()}
        return checkpoints.after_training(self.encoder, heads, self.rows, self.shrunk, self.before)

    def write(self, path: Path) -> None:
        """Write the checkpoint that the training leaves: the best one, or the last."""
        if not self.record.best_step:
            self.checkpoint().save(path, self._folder)
            return
        best = best_file(self.job.folder, self.record.best_step)
        if selection.file_crc32(best) != self.record.crc32:
            raise TrainingError(f"{best}: its bytes have changed; delete it and start again")
        with write_atomically(path) as temporary:
            shutil.copyfile(best, temporary)

    def facts(self) -> dict[str, Any]:
        """Deterministic outcomes for the stamp."""
        return {
            "steps": self.step,
            "items": {name: len(f) for name, f in self.features.items()},
            "lost": {name: dict(sorted(f.counts.items())) for name, f in self.features.items()},
            "last_loss": dict(sorted(self.losses.items())),
            "heads": dict(sorted(self.begun_with.items())),
            "selection": self._selected(),
            "embedding_rows": len(self.rows),
            "micro_batch_tokens": self.budget,
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
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters().items():
            moments = self.optimizer.state.get(parameter, {})
            tensors[f"parameter.{name}"] = parameter.detach()
            tensors |= {f"{key}.{name}": moments[key] for key in moments}
        about = self._identity() | {
            "step": self.step,
            "shrunk": self.shrunk.hex(),
            "budget": self.budget,
            "losses": {name: value.hex() for name, value in self.losses.items()},
            "record": self.record.as_json(),
        }
        resume.save(self.job.folder / STATE, tensors, about)
        self._saved_best = self.record.best_step
        selection.forget_others(self.job.folder, {self._saved_best})

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
        path = self.job.folder / STATE
        found = resume.load(path, self._identity())
        if found is not None:
            tensors, about = found
            try:
                record = Record(**about["record"])
                self._check_best(record)
                self._restore(tensors, about)
                self.record, self._saved_best = record, record.best_step
                print(f"resumed at step {self.step} of {self.plan.total}", flush=True)
            except (OSError, KeyError, TypeError, ValueError) as error:
                resume.refuse(path, str(error))
        selection.forget_others(self.job.folder, {self._saved_best})
        self._curves.rewind(self.step)
        return self.step

    _saved_best = 0  # step of the best checkpoint that the saved state names

    def _check_best(self, record: Record) -> None:
        if not record.best_step:
            return
        best = best_file(self.job.folder, record.best_step)
        if selection.file_crc32(best) != record.crc32:
            raise ValueError(f"the bytes of {best.name} have changed")

    def _identity(self) -> dict[str, Any]:
        """What a saved state must agree with to be taken up."""
        device = {"device": self.device.kind, "precision": self.device.precision}
        return {"spec": self.job.spec, "inputs": self._inputs} | device

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
        self.step, self.shrunk, self.budget, self.losses = step, shrunk, budget, losses


def joined(stamps: Sequence[Path]) -> list[examples.Example]:
    """The examples of several stamps, one after the other.

    Parts of a task, or its translations, may use the same ids: with more than one stamp, the
    stamp's place is put before them.
    """
    parts = [examples.read(stamp.with_suffix(".parquet")) for stamp in stamps]
    if len(parts) == 1:
        return parts[0]
    return [row | {"id": f"{n}:{row['id']}"} for n, part in enumerate(parts) for row in part]


def subset(rows: list[examples.Example], limit: int | None, task: str) -> list[examples.Example]:
    """At most ``limit`` examples, drawn by a hash of their ids: the same in every study.

    Of retrieval so many queries, with the candidates that are right for them.
    """
    asked = [row for row in rows if row.get("side") != "candidate"]
    if limit is None or limit >= len(asked):
        return rows
    drawn = sorted(asked, key=lambda r: rank("subset", task, r["id"]))[:limit]
    chosen = {id(row) for row in drawn}
    right = {name for row in drawn for name in row.get("relevant", ())}
    return [row for row in rows if id(row) in chosen or _is_right(row, right)]


def _is_right(row: examples.Example, names: set[str]) -> bool:
    return row.get("side") == "candidate" and row["id"] in names


@contextmanager
def _politely_interrupted() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGUSR1, a scheduler's warnings, into a question asked between steps."""
    asked: list[int] = []
    signals = (signal.SIGTERM, signal.SIGUSR1)
    before = {s: signal.signal(s, lambda number, _: asked.append(number)) for s in signals}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
