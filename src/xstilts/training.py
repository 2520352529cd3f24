"""Training: fine-tune an encoder on one task or several, and leave a checkpoint that is proved.

The loop touches only the rows of the embedding matrix that occur in the training data (exact under
AdamW: other rows have no gradient and no moments, only their weight decay, one factor for all),
spends nothing on padding, and can be killed at any moment: it goes on from its last saved state and
ends with the same bits, because every random draw derives from the seed and the step alone.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from xstilts import checkpoints, examples, formats
from xstilts.batching import Features, by_tokens, pack
from xstilts.checkpoints import Checkpoint
from xstilts.devices import Device
from xstilts.errors import DataError, EncoderError, LineageError, TrainingError
from xstilts.heads import initialise
from xstilts.lease import lease
from xstilts.lineage import Run, file_sha256, verify, write_atomically, write_stamp, write_text
from xstilts.seeds import derive, rank
from xstilts.tokenization import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xstilts.cards import Hyperparameters
    from xstilts.study import Compute, Mlm, Multi

STATE = "resume.safetensors"
MADE = "made.json"  # the stamp, once more, where Snakemake does not delete it
LOG = "log.jsonl"


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
    """Train, save the checkpoint and stamp it. Raises `TrainingError` on an infinite loss.

    Where this very checkpoint lies there whole, only its stamp is put back: Snakemake deletes a
    stamp before it runs a job, also one that another process is finishing.
    """
    inputs = _verified_inputs(job)
    with lease(job.folder):
        if not _made_before(job, inputs):
            _train(job, inputs)
        with write_atomically(job.stamp) as temporary:
            shutil.copyfile(job.folder / MADE, temporary)
        (job.folder / STATE).unlink(missing_ok=True)


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
    training.checkpoint().save(weights, job.encoder.parent)
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
        folder = job.encoder.parent
        tokenizer = Tokenizer(folder)
        self.formats = {task.name: formats.get(task.format) for task in job.tasks}
        raw = {task.name: self._features(task, tokenizer) for task in job.tasks}
        self.rows = _rows_used(raw.values())
        self.features = {
            name: features.renumbered(self.rows.numpy()) for name, features in raw.items()
        }
        start = job.start.parent / checkpoints.FILE if job.start else None
        self.before = Checkpoint.load(start, folder) if start else None
        self.encoder = checkpoints.build(folder, self.before, self.rows).to(self.device.torch)
        self._check_lengths()
        self.heads = nn.ModuleDict({task.name: self._head(task) for task in job.tasks})
        self.heads.to(self.device.torch)
        self.lengths = {name: f.lengths() for name, f in self.features.items()}
        self.plan = Plan(job, {name: len(f) for name, f in self.features.items()})
        self.optimizer = self._optimizer()
        self.step = 0
        self.shrunk = 1.0  # factor of every embedding row that does not occur
        self.losses: dict[str, float] = {}
        self._log = Log(job.folder / LOG, self.plan.total)

    # -- building ---------------------------------------------------------------------------------

    def _features(self, task: TaskJob, tokenizer: Tokenizer) -> Features:
        rows = joined(task.examples)
        rows = subset(rows, task.hyperparameters.max_examples, task.name)
        features = self.formats[task.name].encode(
            rows, tokenizer, task.labels, task.hyperparameters, training=True
        )
        if not len(features):
            where = ", ".join(map(str, task.examples))
            raise DataError(f"{where}: no example that {task.name!r} can be trained on")
        return features

    def _check_lengths(self) -> None:
        allowed = self.encoder.shape.longest
        for name, features in self.features.items():
            longest = max(map(len, features.sequences))
            if longest > allowed:
                raise EncoderError(
                    f"{name}: a sequence of {longest} tokens; {self.job.encoder.parent} takes "
                    f"{allowed}: lower max_length"
                )

    def _head(self, task: TaskJob) -> nn.Module:
        head = self.formats[task.name].head(self.encoder.shape.hidden, task.labels)
        generator = torch.Generator().manual_seed(derive(self.job.seed, "head", task.name))
        initialise(head, generator)
        return head

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

    def steps(self, interrupted: Callable[[], bool]) -> Iterator[int]:
        """Do every step that is left, saving the state now and then."""
        self.encoder.train()
        self.heads.train()
        saved = time.monotonic()
        while self.step < self.plan.total:
            task, items = self.plan.batch(self.step)
            self._one_step(task, items)
            self.step += 1
            yield self.step
            if interrupted():
                self.save()
                raise SystemExit(128 + signal.SIGTERM)
            if time.monotonic() - saved > self.job.save_every:
                self.save()
                saved = time.monotonic()

    def _one_step(self, task: str, items: np.ndarray) -> None:
        features, form = self.features[task], self.formats[task]
        h = self.plan.hyperparameters[task]
        lengths = self.lengths[task]
        weight = float(features.weights[items].sum())
        total, tokens = 0.0, int(lengths[items].sum())
        budget = self.job.compute.micro_batch_tokens
        stream = derive(self.job.seed, "dropout", self.step)
        for micro in by_tokens(lengths, items.tolist(), budget):
            batch = pack(features, micro, self.device.torch, stream)
            with self.device.autocast():
                hidden = self.encoder(batch)
                outputs = self.heads[task](hidden, batch)
            loss = form.loss(outputs, batch) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
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
        self._log.step(self.step + 1, task, total, rate, tokens)

    # -- results ----------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The trained state."""
        heads = {name: p.detach() for name, p in self.heads.state_dict().items()}
        return checkpoints.after_training(self.encoder, heads, self.rows, self.shrunk, self.before)

    def facts(self) -> dict[str, Any]:
        """Deterministic outcomes for the stamp."""
        return {
            "steps": self.plan.total,
            "items": {name: len(f) for name, f in self.features.items()},
            "lost": {name: dict(sorted(f.counts.items())) for name, f in self.features.items()},
            "last_loss": dict(sorted(self.losses.items())),
            "embedding_rows": len(self.rows),
            "device": self.device.kind,
            "precision": self.device.precision,
        }

    # -- resuming ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state, atomically: parameters, moments and how far we are."""
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters().items():
            moments = self.optimizer.state.get(parameter, {})
            tensors[f"parameter.{name}"] = parameter.detach()
            tensors |= {f"{key}.{name}": moments[key] for key in moments}
        tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        about = self._identity() | {
            "step": self.step,
            "shrunk": self.shrunk.hex(),
            "losses": {name: value.hex() for name, value in self.losses.items()},
            "crc32": _crc32(tensors),
        }
        tensors["about"] = torch.frombuffer(
            bytearray(json.dumps(about).encode()), dtype=torch.uint8
        )
        with write_atomically(self.job.folder / STATE) as temporary:
            save_file(tensors, temporary)

    def resume(self) -> int:
        """Take up a saved state of this very training; return its step, 0 when there is none.

        A state that cannot be read, or that is of another spec, other inputs or another kind of
        device, is dropped.
        """
        path = self.job.folder / STATE
        if path.exists():
            try:
                tensors = load_file(path)
                about = json.loads(bytes(tensors.pop("about").numpy()))
                self._check(tensors, about)
            except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
                print(f"{path}: not usable ({error}); starting from the beginning", flush=True)
                path.unlink()
            else:
                self._restore(tensors, about)
                print(f"resumed at step {self.step} of {self.plan.total}", flush=True)
        self._log.rewind(self.step)
        return self.step

    def _identity(self) -> dict[str, Any]:
        """What a saved state must agree with to be taken up."""
        device = {"device": self.device.kind, "precision": self.device.precision}
        return {"spec": self.job.spec, "inputs": self._inputs} | device

    def _check(self, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
        """Refuse a state that is not ours or not whole, before anything of it is used."""
        for key, value in self._identity().items():
            if about[key] != value:
                raise ValueError(f"another {key}")
        if about["crc32"] != _crc32(tensors):
            raise ValueError("its bytes have changed")

    def _restore(self, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
        parameters = self._parameters()
        moments = {key.split(".")[0] for key in tensors} - {"parameter"}
        values = {name: tensors[f"parameter.{name}"] for name in parameters}
        states = {
            name: {m: tensors[key] for m in moments if (key := f"{m}.{name}") in tensors}
            for name in parameters
        }
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(values[name])
                if states[name]:  # a head that has had no step yet has no moments
                    self.optimizer.state[parameter] = {
                        key: value.to(self.device.torch) for key, value in states[name].items()
                    }
        self.step = about["step"]
        self.shrunk = float.fromhex(about["shrunk"])
        self.losses = {name: float.fromhex(value) for name, value in about["losses"].items()}


def _crc32(tensors: dict[str, torch.Tensor]) -> int:
    """A checksum against damage; seven times faster than sha256, for states of gigabytes."""
    found = 0
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode(), found)
        found = zlib.crc32(tensor.numpy().data, found)
    return found


class Plan:
    """Which items every step trains on, and at which learning rate; the same from any step on."""

    def __init__(self, job: TrainingJob, sizes: dict[str, int]) -> None:
        """``sizes``: number of training items of each task."""
        self.job, self.sizes = job, sizes
        self.hyperparameters = {task.name: task.hyperparameters for task in job.tasks}
        self.leading = job.tasks[0].hyperparameters  # optimiser-wide settings
        self._shuffled: dict[str, tuple[int, np.ndarray]] = {}  # task -> epoch and its order

    @cached_property
    def total(self) -> int:
        """Number of optimiser steps."""
        return len(self.order)

    @cached_property
    def order(self) -> list[str]:
        """The task of every step.

        Each task has its epochs of batches (in `multi` over at most ``cap`` examples); with a
        temperature, the same total is divided by size ** (1/temperature). The steps are shuffled.
        """
        counts = {name: self._steps(name) for name in self.sizes}
        if len(counts) > 1:
            heat = {
                name: count ** (1 / self.job.multi.temperature) for name, count in counts.items()
            }
            share = sum(counts.values()) / sum(heat.values())
            counts = {name: max(1, round(share * value)) for name, value in heat.items()}
        steps = [name for name, count in counts.items() for _ in range(count)]
        shuffled = np.random.default_rng(derive(self.job.seed, "tasks")).permutation(len(steps))
        return [steps[i] for i in shuffled] if len(counts) > 1 else steps

    def _steps(self, name: str) -> int:
        h = self.hyperparameters[name]
        size = self.sizes[name]
        if len(self.sizes) > 1:
            size = min(size, self.job.multi.cap)
        steps = max(1, round(h.epochs * math.ceil(size / h.batch_size)))
        return min(steps, h.max_steps) if h.max_steps else steps

    @cached_property
    def _turn(self) -> list[int]:
        """For every step, how many steps its task has had before."""
        had = dict.fromkeys(self.sizes, 0)
        turns = []
        for name in self.order:
            turns.append(had[name])
            had[name] += 1
        return turns

    def batch(self, step: int) -> tuple[str, np.ndarray]:
        """The task of a step and the items that it trains on."""
        name = self.order[step]
        size, wanted = self.sizes[name], self.hyperparameters[name].batch_size
        per_epoch = math.ceil(size / wanted)
        epoch, place = divmod(self._turn[step], per_epoch)
        if self._shuffled.get(name, (None,))[0] != epoch:
            seed = derive(self.job.seed, "order", name, epoch)
            self._shuffled[name] = (epoch, np.random.default_rng(seed).permutation(size))
        return name, self._shuffled[name][1][place * wanted : (place + 1) * wanted]

    def rate(self, step: int, task: str) -> float:
        """Linear warm-up, then linear decay to zero."""
        h = self.hyperparameters[task]
        warm = math.ceil(h.warmup * self.total)
        if step < warm:
            return h.learning_rate * (step + 1) / warm
        return h.learning_rate * (self.total - step) / max(1, self.total - warm)


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
    """At most ``limit`` examples, drawn by a hash of their ids: the same in every study."""
    if limit is None or limit >= len(rows):
        return rows
    chosen = {id(r) for r in sorted(rows, key=lambda r: rank("subset", task, r["id"]))[:limit]}
    return [row for row in rows if id(row) in chosen]


def _rows_used(features: Any) -> torch.Tensor:
    used = np.unique(np.concatenate([f.tokens_used() for f in features]))
    return torch.from_numpy(used.astype(np.int64))


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


class Log:
    """A machine-readable curve: one JSON line for about every hundredth of the steps."""

    def __init__(self, path: Path, total: int) -> None:
        """Append to ``path``; a resumed training goes on in the same file."""
        self._path, self._total = path, total
        self._every = max(1, total // 100)
        self._started, self._done, self._tokens = time.monotonic(), 0, 0

    def rewind(self, step: int) -> None:
        """Forget the lines after ``step``: they are of steps that are to be done again."""
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [x for x in lines if x.endswith("\n") and json.loads(x)["step"] <= step]
        write_text(self._path, "".join(kept))

    def step(self, step: int, task: str, loss: float, rate: float, tokens: int) -> None:
        """Note a step."""
        self._done += 1
        self._tokens += tokens
        if step % self._every and step != self._total:
            return
        seconds = time.monotonic() - self._started
        line = {
            "step": step,
            "of": self._total,
            "task": task,
            "loss": round(loss, 6),
            "learning_rate": rate,
            "tokens_per_second": round(self._tokens / seconds),
            "seconds_left": round(seconds / self._done * (self._total - step), 1),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
