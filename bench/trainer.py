"""Training speed beside the Hugging Face Trainer, on real MNLI and SQuAD examples, as ratios.

    pip install accelerate      # which the Trainer needs, and nothing else here
    snakemake download --cores all --configfile bench/trainer.yaml
    python bench/trainer.py [--steps 12] [--rounds 2] [--tasks mnli_part] [--precisions fp32]

Both sides train the same encoder on the same examples in the same batches, with the same number
of steps, learning rates, weight decay and clipping, on the same threads. The *default* Trainer is
used as its example scripts (run_glue, run_qa) use it: dense embedding matrix, dynamic padding to
the longest of a batch. The *tuned* Trainer is set for speed: the same items grouped by length, no
filter of NaN losses, and on a GPU TF32 and two workers that load data; it is the side to compare
with. Both are timed in float32 and under bf16 autocast. Its data are tokenised beforehand; only
the time in its training loop counts. On our side the loop is timed in the same way, and beside it
the whole training with reading, tokenising and building. Rounds alternate, so that a noisy machine
disturbs both alike. The losses of both are printed: they differ by dropout and the new head, and
of SQuAD by the padding, over which the Trainer's softmax goes as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from xstilts.config.yaml_models import read_yaml
from xstilts.grid.keys import INTERMEDIATE, ExamplesKey, TrainingKey
from xstilts.grid.opening import open_grid
from xstilts.training.data import TrainingData
from xstilts.training.log import LOG
from xstilts.training.schedule import Schedule
from xstilts.training.train import TrainingRun
from xstilts.workflow import jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.grid.artefacts import Grid
    from xstilts.models.batch import Features
    from xstilts.training.job import TrainingJob

HOME = Path(__file__).parents[1]


@dataclass
class Outcome:
    """Seconds in the training loop, seconds from nothing to the end, loss of every step."""

    loop: float
    whole: float
    losses: list[float]


def training_job(grid: Grid, task: str, steps: int, precision: str) -> TrainingJob:
    """The intermediate training of a task, cut after some steps."""
    job = jobs.training_job(grid, TrainingKey(grid.study.encoders[0], task, 1, INTERMEDIATE))
    (learnt,) = job.tasks
    hyperparameters = learnt.hyperparameters.model_copy(update={"max_steps": steps})
    return replace(
        job,
        tasks=(replace(learnt, hyperparameters=hyperparameters),),
        compute=job.compute.model_copy(update={"precision": precision}),
    )


def ours(job: TrainingJob) -> Outcome:
    """The engine: reading, tokenising, building, stepping."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        training = TrainingRun(replace(job, stamp=Path(folder) / "stamp.json"))
        with training.trainer.device.settings():
            first = time.perf_counter()
            for _ in training.steps():
                pass
        end = time.perf_counter()
        log = (Path(folder) / LOG).read_text(encoding="utf-8").splitlines()
        losses = [json.loads(line)["loss"] for line in log]  # of every step while these are few
    return Outcome(end - first, end - began, losses)


class Batches(torch.utils.data.Dataset[dict[str, Any]]):
    """The items of a training in the order of its steps, as the example scripts' features."""

    def __init__(self, job: TrainingJob) -> None:
        """Plan them as a training does, with the ids of the whole vocabulary."""
        (task,) = job.tasks
        data = TrainingData(job.tasks, None, job.encoder.parent)
        self.features: Features = data.features[task.name]
        self.rows = data.rows.token_ids.numpy()
        self.span = task.task_type == "span_qa"
        sizes = {task.name: len(self.features)}
        plan = Schedule({task.name: task.hyperparameters}, sizes, job.multi, job.seed)
        self.batches = [plan.batch(step)[1] for step in range(plan.total)]
        self.order = [int(i) for batch in self.batches for i in batch]
        self.tokens = int(self.features.lengths()[self.order].sum())

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> dict[str, Any]:
        item = self.order[place]
        ids = self.rows[self.features.sequences[item]]
        gold = self.features.targets[item]
        example = {"input_ids": ids.tolist(), "attention_mask": [1] * len(ids)}
        if self.span:
            return example | {"start_positions": gold.gold[0], "end_positions": gold.gold[1]}
        return example | {"labels": gold}


class Losses(transformers.TrainerCallback):  # type: ignore[misc]
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.values: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """The Trainer's logs, one a step."""
        if logs and "loss" in logs:
            self.values.append(float(logs["loss"]))


def trainer(
    job: TrainingJob,
    data: Batches,
    *,
    bf16: bool,
    tuned: bool = False,
    log_every: int = 1,
    watch: transformers.TrainerCallback | None = None,
) -> Outcome:
    """The Hugging Face Trainer; ``watch`` is told of its steps."""
    folder = job.encoder.parent
    h = job.tasks[0].hyperparameters
    kind = (
        transformers.AutoModelForQuestionAnswering
        if data.span
        else transformers.AutoModelForSequenceClassification
    )
    transformers.set_seed(job.seed)
    torch.set_num_threads(job.compute.threads)
    began = time.perf_counter()
    model = kind.from_pretrained(
        folder, **({} if data.span else {"num_labels": len(job.tasks[0].labels)})
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>"
    )
    losses = Losses()
    with TemporaryDirectory() as out:
        arguments = transformers.TrainingArguments(
            out,
            per_device_train_batch_size=h.batch_size,
            max_steps=len(data.batches),
            learning_rate=h.learning_rate,
            weight_decay=h.weight_decay,
            adam_epsilon=h.adam_epsilon,
            max_grad_norm=h.clip_norm,
            lr_scheduler_type="linear",
            warmup_steps=int(np.ceil(h.warmup * len(data.batches))),
            train_sampling_strategy="group_by_length" if tuned else "sequential",
            logging_nan_inf_filter=not tuned,
            dataloader_num_workers=2 if tuned and torch.cuda.is_available() else 0,
            tf32=True if tuned and torch.cuda.is_available() else None,
            bf16=bf16,
            use_cpu=not torch.cuda.is_available(),
            logging_steps=log_every,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        made = transformers.Trainer(
            model=model,
            args=arguments,
            train_dataset=data,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            callbacks=[losses, watch] if watch else [losses],
        )
        made.remove_callback(transformers.PrinterCallback)
        first = time.perf_counter()
        made.train()
        end = time.perf_counter()
    return Outcome(end - first, end - began, losses.values)


def compare(grid: Grid, task: str, steps: int, rounds: int, precisions: list[str]) -> None:
    """Print one task's table."""
    job = training_job(grid, task, steps, "fp32")
    data = Batches(job)
    padded = sum(len(b) * int(data.features.lengths()[b].max()) for b in data.batches)
    print(
        f"\n{task}: {steps} steps of {job.tasks[0].hyperparameters.batch_size}, {data.tokens} "
        f"tokens ({padded} with dynamic padding), {len(data.rows)} of the vocabulary's rows"
    )
    sides: dict[str, Callable[[], Outcome]] = {}
    for precision in precisions:
        for kind in ("default", "tuned"):
            sides[f"{kind} Trainer, {precision}"] = partial(
                trainer, job, data, bf16=precision == "bf16", tuned=kind == "tuned"
            )
    for precision in precisions:
        sides[f"ours, {precision}"] = partial(ours, training_job(grid, task, steps, precision))
    found: dict[str, list[Outcome]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    half = steps // 2
    for name, outcomes in found.items():
        loop = statistics.median(o.loop for o in outcomes)
        whole = statistics.median(o.whole for o in outcomes)
        early, late = (
            statistics.mean(float(np.mean(o.losses[part])) for o in outcomes)
            for part in (slice(None, half), slice(half, None))
        )
        print(
            f"  {name:21} loop {loop:7.1f} s, {data.tokens / loop:6.0f} tokens/s; whole "
            f"{whole:7.1f} s; mean loss {early:.3f} then {late:.3f}"
        )
    best = min(precisions, key=lambda p: min(o.loop for o in found[f"ours, {p}"]))
    pairs = []
    for kind in ("tuned", "default"):
        pairs += [(f"{kind} Trainer, {p}", f"ours, {p}") for p in precisions]
        if best != precisions[-1]:
            pairs.append((f"{kind} Trainer, {precisions[-1]}", f"ours, {best}"))
    for plain, mine in pairs:
        ratios = [p.loop / o.loop for p, o in zip(found[plain], found[mine], strict=True)]
        print(
            f"  {mine} is {statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f}) "
            f"{plain}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=["mnli_part", "squad_part"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = read_yaml(HOME / "bench/trainer.yaml")
    grid = open_grid(config, "bench/trainer.yaml", HOME / "config", HOME / "envs/lock.txt")
    stamps = [grid.encoder(grid.study.encoders[0]).stamp]
    stamps += [grid.examples_stamp(ExamplesKey(task, "train", "en")) for task in args.tasks]
    if missing := [str(stamp) for stamp in stamps if not stamp.exists()]:
        sys.exit(f"{missing[0]} is missing: run the download of the first line of this file")
    print(
        f"{grid.study.encoders[0]}; torch {torch.__version__}, transformers "
        f"{transformers.__version__}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{grid.study.compute.threads} threads"
    )
    for task in args.tasks:
        compare(grid, task, args.steps, args.rounds, args.precisions)


if __name__ == "__main__":
    main()
