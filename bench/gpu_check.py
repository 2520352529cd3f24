"""Whether a GPU computes what the CPU computes: two minutes, one JSON, an exit status.

    python bench/gpu_check.py                    # on the GPU
    python bench/gpu_check.py --device cpu       # no GPU: does the program run?

It needs torch and transformers with what these bring, pyarrow, and of wheels pydantic,
pydantic-core, annotated-types, typing-inspection, tensorboardX and httpx2. Where xstilts is not
installed, set PYTHONPATH=src. Nothing is downloaded. All checks run, whatever an earlier one finds.
Encoders are random and tiny, examples drawn (`gpu.prepare`). Checks:

    masks         dropout keeps the same elements as on the CPU, bit for bit
    attention     with dropout, without, and torch's varlen_attn where there is one: outputs, and
                  with dropout gradients, against float64
    loss          of a batch, against transformers, in float32
    repeated      two trainings of each of three architectures end with the same bits
    resumed       a training that goes on from a saved state ends with the same bits
    memory        a training that does not fit goes on in smaller parts (GPU only)
    waiting       the host waits for nothing within a step (GPU only)
    search        neighbours of vectors with many ties, against numpy
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import traceback
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import gpu
import numpy as np
import torch
from torch import nn

from xstilts.metrics import nearest_neighbours as metric
from xstilts.models import dropout
from xstilts.models.batch import NumberedFeatures, one_sequence_instances, pack
from xstilts.models.network.attention import self_attention
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks import nearest_neighbours
from xstilts.training.loop import Trainer
from xstilts.training.train import TrainingRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.models.batch import Batch
    from xstilts.training.job import TrainingJob

Details = dict[str, Any]
SHAPE = gpu.SHAPES["tiny"]
STEPS = 4
MODERNBERT = {
    "model_type": "modernbert", "vocab_size": SHAPE.vocabulary, "hidden_size": SHAPE.hidden,
    "num_hidden_layers": 4, "num_attention_heads": SHAPE.heads, "local_attention": 16,
    "intermediate_size": SHAPE.inner, "max_position_embeddings": 512, "attention_dropout": 0.1,
    "norm_eps": 1e-5,
}  # fmt: skip
DEBERTA = gpu.config(SHAPE, 0.1) | {
    "model_type": "deberta-v2", "relative_attention": True, "share_att_key": True,
    "position_biased_input": False, "type_vocab_size": 0, "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p", "position_buckets": 64, "max_position_embeddings": 512,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the checks compute."""

    device: torch.device
    folder: Path

    @property
    def on_gpu(self) -> bool:
        """Whether that is a GPU."""
        return self.device.type == "cuda"

    def job(self, side: str = "") -> TrainingJob:
        """A short training; ``side`` as in bench/gpu.py, by default the fastest of the device."""
        side = side or ("ours-bf16" if self.on_gpu else "ours-fp32")
        return gpu.job(gpu.Work(side, self.folder, SHAPE, 0, STEPS, profile=False))


class Failed(Exception):
    """What a check found wrong."""


def require(found: bool, what: str) -> None:
    """Raise `Failed` unless something was found."""
    if not found:
        raise Failed(what)


# --- one batch -----------------------------------------------------------------------------------

HEADS, WIDTH, P = 4, 256, 0.1


def drawn(place: Place, dtype: torch.dtype) -> tuple[torch.Tensor, Batch, dropout.AttentionDropout]:
    """Query, key and value (T, 3H) of sequences of many lengths, and a layer's dropout."""
    sizes = (1, 7, 16, 47, 107, 130)
    sequences = [np.zeros(n, dtype=np.int32) for n in sizes]
    features = one_sequence_instances(sequences, sizes, [None] * len(sizes))
    batch = pack(NumberedFeatures(features), range(len(sizes)), step_seed=3).to(place.device)
    layer = dropout.AttentionDropout(P, HEADS, 512)
    layer.layer_name = "check"
    generator = torch.Generator().manual_seed(1)
    qkv = torch.randn(sum(sizes), 3 * WIDTH, generator=generator)
    return qkv.to(place.device, dtype), batch, layer


def reference(qkv: torch.Tensor, batch: Batch, stays: list[torch.Tensor] | None) -> torch.Tensor:
    """Attention in float64, sequence by sequence; ``stays`` (heads, L, L) of each."""
    parts = []
    for number, part in enumerate(qkv.split(batch.lengths)):  # type: ignore[no-untyped-call]
        query, key, value = part.view(len(part), 3, HEADS, -1).permute(1, 2, 0, 3)
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]), -1)
        if stays is not None:
            weights = weights * stays[number] * dropout.AttentionDropout(P, HEADS, 512).scale
        parts.append((weights @ value).transpose(0, 1).flatten(1))
    return torch.cat(parts)


def kept_on_cpu(batch: Batch, layer: dropout.AttentionDropout) -> list[torch.Tensor]:
    """Which weights stay, (heads, L, L) float64 of each sequence, computed on the CPU."""
    seeds = layer.seeds_of(batch).cpu().split(batch.lengths)  # type: ignore[no-untyped-call]
    return [layer.kept(s.view(1, 1, -1, 1), len(s), torch.float64)[0] for s in seeds]


def masks(place: Place) -> Details:
    """Dropout's masks."""
    _, batch, layer = drawn(place, torch.float32)
    seeds = layer.seeds_of(batch)
    found = layer.kept(layer.padded_seeds(batch), batch.longest, torch.float32).cpu().bool()
    for row, (size, wanted) in enumerate(
        zip(batch.lengths, kept_on_cpu(batch, layer), strict=True)
    ):
        same = torch.equal(found[row, :, :size, :size], wanted.bool())
        require(same, f"another mask of weights for the sequence of {size} tokens")
    columns = torch.arange(-5, 4000, 3, dtype=torch.int32)
    one, two = (
        dropout.hashed(seeds[:, None].to(where), columns.to(where), in_one=in_one).cpu()
        for where, in_one in ((place.device, True), (torch.device("cpu"), False))
    )
    require(torch.equal(one, two), "other hashes than the CPU's")
    return {"hashes": one.numel()}


def attention(place: Place) -> Details:
    """The ways of computing attention, under a bound on the largest error."""
    details: Details = {}
    for dtype, bound in ((torch.float32, 2e-5), (torch.bfloat16, 0.06)):
        qkv, batch, layer = drawn(place, dtype)
        exact = qkv.detach().cpu().double().requires_grad_()
        for name, stays in (("dropout", kept_on_cpu(batch, layer)), ("plain", None)):
            layer.train(stays is not None)
            given = qkv.detach().clone().requires_grad_()
            out = self_attention(given, batch, HEADS, layer)
            wanted = reference(exact, batch, stays)
            toward = torch.cos(torch.arange(wanted.numel())).view_as(wanted).double()
            (of_exact,) = torch.autograd.grad((wanted * toward).sum(), exact)
            (of_given,) = torch.autograd.grad(out, given, toward.to(place.device, dtype))
            errors = {"output": out.cpu() - wanted, "gradient": of_given.cpu() - of_exact}
            largest = {k: float(e.detach().abs().max()) for k, e in errors.items()}
            details[f"{name} {dtype}"] = largest
            require(max(largest.values()) < bound, f"{name} in {dtype}: {largest}, at most {bound}")
        if place.on_gpu and dtype == torch.bfloat16:
            error = float((varlen(qkv, batch).cpu() - reference(exact, batch, None)).abs().max())
            details["varlen"] = error
            require(error < bound, f"varlen_attn: {error}, at most {bound}")
    return details


def varlen(qkv: torch.Tensor, batch: Batch) -> torch.Tensor:
    """torch's attention without padding, which xstilts does not use yet: (T, H)."""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = qkv.view(len(qkv), 3, HEADS, -1).unbind(1)
    ends = nn.functional.pad(batch.sizes.cumsum(0), (1, 0)).int()
    out = varlen_attn(query, key, value, ends, ends, batch.longest, batch.longest)
    assert isinstance(out, torch.Tensor)
    return out.flatten(1)


# --- trainings -----------------------------------------------------------------------------------


def loss(place: Place) -> Details:
    """Of a batch without dropout."""
    import transformers

    trainer = Trainer(place.job("ours-fp32-no-dropout"))
    trainer.train_mode(False)
    items = trainer.schedule.batch(0)[1].tolist()
    with torch.no_grad():
        batch, outputs = trainer.gradients.forward(0, "mnli", items)
        task_model = trainer.data.task_models["mnli"]
        ours = float(task_model.loss(outputs, batch)) / len(items)
    folder = trainer.job.encoder.parent
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    model.to(place.device).eval()
    for theirs_part, our_part in (("dense", "dense"), ("out_proj", "out")):
        ours_of_part = trainer.heads["mnli"].get_submodule(f"sentence.{our_part}").state_dict()
        model.classifier.get_submodule(theirs_part).load_state_dict(ours_of_part)
    tokens = trainer.data.rows.token_ids.numpy()
    rows = [torch.from_numpy(tokens[trainer.data.features["mnli"].sequences[i]]) for i in items]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=1).to(place.device)
    gold = torch.as_tensor(batch.targets, device=place.device)
    with torch.no_grad():
        theirs = float(model(input_ids=ids, attention_mask=(ids != 1).long(), labels=gold).loss)
    require(abs(ours - theirs) < 1e-4, f"the loss is {ours}, that of transformers {theirs}")
    return {"ours": ours, "transformers": theirs}


def trained(job: TrainingJob, stop_after: int = STEPS) -> dict[str, torch.Tensor]:
    """What a training has after its last step; one that is to stop is begun twice."""
    with TemporaryDirectory() as out:
        here = replace(job, stamp=Path(out) / "stamp.json")
        training = TrainingRun(here)
        with training.trainer.device.settings():
            for _ in islice(training.steps(), stop_after):
                pass
            if stop_after < STEPS:
                training.saved.save(training.trainer)
                training = TrainingRun(here)
                require(training.resume() == stop_after, "the state was not resumed")
                for _ in training.steps():
                    pass
        return {k: v.cpu().clone() for k, v in training.trainer.state().tensors.items()}


def require_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], what: str) -> None:
    """Raise `Failed` unless all bits are the same."""
    other = [name for name in one if not torch.equal(one[name], two[name])]
    require(not other, f"{what}: {len(other)} of {len(one)} tensors differ, {other[:3]}")


def repeated(place: Place) -> Details:
    """The same training twice."""
    details = {}
    for name, config in (("xlm-r", None), ("modernbert", MODERNBERT), ("deberta", DEBERTA)):
        job = place.job()
        if config is not None:
            job = replace(job, encoder=encoder(place.folder / name, config))
        one, two = trained(job), trained(job)
        require_same(one, two, name)
        details[name] = len(one)
    return details


def encoder(folder: Path, config: dict[str, Any]) -> Path:
    """A random encoder; gives its stamp."""
    stamp = folder / "stamp.json"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        gpu.words(folder / "tokenizer.json", SHAPE.vocabulary)
        gpu.weights(folder)
        names = ("config.json", "tokenizer.json", "model.safetensors")
        write_stamp(stamp, spec="random", inputs={}, files=[folder / n for n in names])
    return stamp


def resumed(place: Place) -> Details:
    """A training in one go and one that was stopped."""
    require_same(trained(place.job()), trained(place.job(), stop_after=2), "resumed")
    return {}


def memory(place: Place) -> Details:
    """A step that needs more memory than the process may have."""
    if not place.on_gpu:
        return {"skipped": "a limit on memory needs a GPU"}
    job = place.job()
    (task,) = job.tasks
    large = task.hyperparameters.model_copy(update={"batch_size": 512})
    compute = job.compute.model_copy(update={"micro_batch_tokens": 10**6})
    job = replace(job, tasks=(replace(task, hyperparameters=large),), compute=compute)
    losses, budgets = [], []
    for fraction in (1.0, 0.5):
        trainer = Trainer(job)
        trainer.train_mode(True)
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties().total_memory
        if fraction < 1:
            allowed = fraction * torch.cuda.max_memory_reserved() / total
            torch.cuda.set_per_process_memory_fraction(allowed)
        try:
            losses.append(float(trainer.gradients.compute(0, "mnli", np.arange(512))))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        budgets.append(trainer.gradients.budget)
    require(budgets[1] < budgets[0], "the budget was not halved: memory sufficed")
    require(abs(losses[0] - losses[1]) < 1e-2, f"losses {losses}")
    return {"budgets": budgets, "losses": losses}


def waiting(place: Place) -> Details:
    """Steps under torch's watch for waits of the host."""
    if not place.on_gpu:
        return {"skipped": "there is nothing to wait for"}
    with TemporaryDirectory() as out:
        training = TrainingRun(replace(place.job(), stamp=Path(out) / "stamp.json"))
        with training.trainer.device.settings():
            steps = training.steps()
            next(steps)
            torch.cuda.set_sync_debug_mode("error")
            try:
                next(steps)
                next(steps)
            finally:
                torch.cuda.set_sync_debug_mode("default")
    return {"steps": 2}


def search(place: Place) -> Details:
    """Vectors of few small integers, whose products are exact on every device."""
    draw = np.random.default_rng(1)
    queries, candidates = (draw.integers(-1, 2, (n, 8)).astype(np.float32) for n in (700, 9000))
    for k in (1, 5):
        wanted = metric.nearest(queries, candidates, k)
        found = nearest_neighbours.nearest(queries, candidates, k)
        require(np.array_equal(found.row, wanted.row), f"other neighbours with k = {k}")
        same = np.array_equal(found.similarity, wanted.similarity)
        require(same, f"other similarities with k = {k}")
    return {"queries": len(queries), "candidates": len(candidates)}


CHECKS: dict[str, Callable[[Place], Details]] = {
    check.__name__: check
    for check in (masks, attention, loss, repeated, resumed, memory, waiting, search)
}


def checked(check: Callable[[Place], Details], place: Place) -> Details:
    """What a check found, whether all was right, and how long it took."""
    began = time.perf_counter()
    try:
        found: Details = {"ok": True} | check(place)
    except Failed as error:
        found = {"ok": False, "error": str(error)}
    except Exception as error:
        traceback.print_exc()
        found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
    return found | {"seconds": round(time.perf_counter() - began, 2)}


def main() -> None:
    """Run the checks, print a line for each, and write all that was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--checks", nargs="+", choices=CHECKS, metavar="CHECK", help="default: all")
    parser.add_argument("--folder", type=Path, default=gpu.HOME / "results/bench_gpu/check")
    parser.add_argument("--out", type=Path, help="JSON; <folder>/check.json")
    args = parser.parse_args()
    if args.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        sys.exit("no GPU is seen; to try the program without one: --device cpu")
    place = Place(torch.device(args.device), args.folder)
    gpu.prepare(args.folder, SHAPE)
    found = {}
    for name in args.checks or CHECKS:
        found[name] = checked(CHECKS[name], place)
        verdict = "right" if found[name]["ok"] else f"WRONG: {found[name]['error']}"
        print(f"{name:10} {found[name]['seconds']:6.1f} s  {verdict}", flush=True)
    out = args.out or args.folder / "check.json"
    out.write_text(json.dumps({"machine": gpu.machine(), "checks": found}, indent=1))
    sys.exit(0 if all(each["ok"] for each in found.values()) else 1)


if __name__ == "__main__":
    main()
