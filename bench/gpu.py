"""Training speed on a GPU beside the Hugging Face Trainer: XLM-R Large's shape, MNLI's lengths.

    python bench/gpu.py                                      # every side, on the GPU
    python bench/gpu.py --sides ours-bf16 --profile          # one of them, and what takes its time
    python bench/gpu.py --shape tiny --device cpu --steps 4  # no GPU: does the program run?

Nothing is downloaded. The encoder is made here: random weights (2.2 GB, kept in ``--folder``) under
a vocabulary of 250,002 made-up words, of which 38,000 occur, as of all of MultiNLI
(docs/performance.md). Examples are drawn with the lengths of `LENGTHS`. Every side trains on the
same examples in the same steps of 32, with the same rates, decay and clipping, in a process of its
own. It is timed from the end of its ``--warm`` steps to the end of the last one; at both the work
of the device is waited for. Results are kept in ``--out`` after every side and printed together, so
that the sides can be run one by one.

Sides:

    trainer-tuned               the Trainer as one sets it for speed: bf16, TF32, items grouped by
                                length, workers that load data, no filter of NaN losses
    trainer-fp32, trainer-bf16  the Trainer as run_glue uses it: dense embedding matrix, dynamic
                                padding, torch's dropout, TF32 as torch has it (off), its own
                                defaults for logging
    ceilings                    what the device reaches at most: a product of large matrices in bf16
                                and float32, a copy, and AdamW alone over the trained parameters
    ours-fp32, ours-bf16        the engine
    ours-bf16-no-dropout        without dropout in the encoder: what that costs; attention is then
                                torch's kernel
    shared-1, -2, -3            so many trainings (ours-bf16) at once on one GPU, a process each.
                                Without NVIDIA's MPS they take turns: start its daemon to compare
    replayed                    what CUDA graphs could gain: forward and backward pass of the
                                encoder over one batch, launched one by one as the engine does, and
                                replayed from a graph (no training)

What is printed, with n the tokens of a sequence, P the parameters of the encoder's linear layers:

    tokens/s      real ones: padding counts nothing, whoever computes it
    of peak       FLOPs of a step / its seconds / the chip's bf16 peak (config/costs/devices.tsv),
                  also for float32. FLOPs of a step: 6 P sum(n) + 12 layers hidden sum(n^2), that
                  is a multiplication and an addition for each weight and token in the forward pass
                  and two of each in the backward pass (Kaplan et al. 2020, section 2.1), and so for
                  the two products of attention. Embeddings, head and optimiser count nothing
    floor         no step of ours can take less: its FLOPs at the peak, then its updates at the full
                  bandwidth of the memory. Of a trained parameter AdamW with clipping inside
                  moves 32 bytes (it reads and writes value, gradient and two moments); the gradient
                  is also written (4) and read for its norm (4); under bf16 the weight and its
                  gradient are converted (6 + 6)
    GiB           torch.cuda.max_memory_allocated of the whole process; on the CPU its largest
                  resident size
    x default     steps in the time of one of trainer-fp32
    trainings/h   of the recipe for MNLI (2 epochs, 24,544 steps), all processes, without start-up
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import queue
import resource
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.study import Compute, Multi
from xstilts.cost.devices import read_devices, row_of
from xstilts.data import examples
from xstilts.models.network import registry
from xstilts.models.network import weights as network_weights
from xstilts.provenance.stamp import write_stamp
from xstilts.tasks.registry import SCHEMAS
from xstilts.training.job import TaskJob, TrainingJob
from xstilts.training.loop import Trainer
from xstilts.training.train import TrainingRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

HOME = Path(__file__).parents[1]

LENGTHS = (
    2, 344, 1487, 2153, 2323, 2351, 1998, 1616, 1061, 641, 405, 231, 142, 77, 52, 43,
    25, 14, 6, 5, 4, 5, 2, 3, 1, 1, 3, 3, 0, 0, 0, 3,
)  # fmt: skip
"""Pairs of MultiNLI by their tokens, special ones included, in classes of eight: 1-8 ... 249-256.

Counted on the 15,001 English pairs of salesforce/xnli_extension, data/multinli.train.en.tsv (a part
of the training set), with XLM-R's vocabulary (the tokenizer of intfloat/multilingual-e5-small), cut
at 256 tokens as the task's card has it: 47.4 on average, the longest of 32 has 107. Within a class
all lengths are drawn alike.
"""
ROWS, RECIPE = 38_000, 24_544  # of the vocabulary that occur in MultiNLI; steps of its recipe
PROFILED = 3  # steps
BATCH, LABELS = 32, ("entailment", "neutral", "contradiction")
SIDES = (
    "ours-bf16", "trainer-tuned", "ceilings", "ours-bf16-no-dropout", "shared-2", "shared-3",
    "replayed", "trainer-bf16", "trainer-fp32", "ours-fp32", "shared-1",
)  # fmt: skip
"""The most useful first."""
TRIED = (
    "trainer-tuned",
    "ours-fp32",
    "shared-2",
    "replayed",
    "ceilings",
)  # without a GPU: every kind of side


@dataclass(frozen=True)
class Shape:
    """An encoder's size; ``examples`` are as many as its rows need to occur."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    rows: int
    examples: int

    @property
    def products(self) -> int:
        """P: parameters in the linear layers."""
        return self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.inner)

    def flops(self, sizes: np.ndarray) -> float:
        """Of training once on sequences of so many tokens (the formula above)."""
        squares = float((sizes.astype(float) ** 2).sum())
        tokens = float(sizes.sum())
        return 6.0 * self.products * tokens + 12.0 * self.layers * self.hidden * squares

    def bytes_updated(self, precision: str) -> float:
        """What the updates of one of our steps move at least (the table above)."""
        trained = self.products + self.rows * self.hidden
        return 40.0 * trained + (12.0 * self.products if precision == "bf16" else 0.0)


SHAPES = {
    "xlm-r-large": Shape(1024, 24, 16, 4096, 250_002, ROWS, 8192),
    "tiny": Shape(64, 2, 4, 128, 2000, 400, 512),
}


@dataclass(frozen=True)
class Work:
    """What one process does."""

    side: str
    folder: Path
    shape: Shape
    warm: int
    steps: int
    profile: bool


# --- what is trained on --------------------------------------------------------------------------


def prepare(folder: Path, shape: Shape) -> None:
    """Write the encoder, with and without dropout, and the examples, where they are not there."""
    if (folder / "examples/en.json").exists():
        return
    print(f"making a random encoder and examples in {folder}", flush=True)
    plain, dropped = folder / "plain", folder / "encoder"
    for made, dropout in ((dropped, 0.1), (plain, 0.0)):
        made.mkdir(parents=True, exist_ok=True)
        (made / "config.json").write_text(json.dumps(config(shape, dropout)))
    words(dropped / "tokenizer.json", shape.vocabulary)
    weights(dropped)
    for name in ("tokenizer.json", "model.safetensors"):
        (plain / name).unlink(missing_ok=True)
        (plain / name).symlink_to(dropped.absolute() / name)
    for made in (dropped, plain):
        files = [made / n for n in ("config.json", "tokenizer.json", "model.safetensors")]
        write_stamp(made / "stamp.json", spec="random", inputs={}, files=files)
    stamp = folder / "examples/en.json"
    examples.write(stamp.with_suffix(".parquet"), SCHEMAS["classification"], pairs(shape))
    write_stamp(stamp, spec="drawn", inputs={}, files=[stamp.with_suffix(".parquet")])


def config(shape: Shape, dropout: float) -> dict[str, Any]:
    """XLM-R's configuration."""
    return {
        "model_type": "xlm-roberta", "hidden_act": "gelu", "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "intermediate_size": shape.inner,
        "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
        "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
    }  # fmt: skip


def words(path: Path, vocabulary: int) -> None:
    """A tokenizer whose words are w4, w5 and so on, each a token; pairs are laid out as XLM-R's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    ids = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, vocabulary)}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    made.save(str(path))


def weights(folder: Path) -> None:
    """BERT's initialisation: matrices from N(0, 0.02), norms 1, biases 0."""
    from safetensors.torch import save_file

    encoder = registry.blank(folder, json.loads((folder / "config.json").read_text())["vocab_size"])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() == 1:
                parameter.fill_(1.0)
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
    tensors = network_weights.body_tensors(encoder)
    tensors[encoder.word_embeddings] = encoder.words.weight.detach()
    copies = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    save_file(copies, folder / "model.safetensors")


def pairs(shape: Shape) -> list[examples.Example]:
    """Pairs of texts: each word of ``rows`` occurs, the rest of the tokens follow Zipf's law."""
    rng = np.random.default_rng(1)
    classes = rng.choice(len(LENGTHS), shape.examples, p=np.array(LENGTHS) / sum(LENGTHS))
    sizes = np.maximum(8 * classes + rng.integers(1, 9, shape.examples), 8) - 4  # special tokens
    odds = 1 / np.arange(1, shape.rows - 3)
    ids = rng.choice(len(odds), sizes.sum(), p=odds / odds.sum())
    ids[rng.permutation(len(ids))[: len(odds)]] = np.arange(len(odds))
    found = []
    for number, part in enumerate(np.split(ids + 4, sizes.cumsum()[:-1])):
        text = [f"w{i}" for i in part]
        cut = max(1, len(text) * 2 // 3)
        first, second = " ".join(text[:cut]), " ".join(text[cut:])
        label = LABELS[rng.integers(3)]
        found.append({"id": str(number), "text": first, "text_pair": second, "label": label})
    return found


def job(work: Work) -> TrainingJob:
    """The training that a side does; it is timed, and nothing of it is kept."""
    plain = work.side.endswith("no-dropout")
    hyperparameters = Hyperparameters(
        batch_size=BATCH,
        max_length=256,
        epochs=1e5,
        max_steps=work.warm + work.steps + (PROFILED if work.profile else 0),
        selection="last",
    )
    stamp = work.folder / "examples/en.json"
    scored = ("accuracy", "accuracy")
    return TrainingJob(
        stamp=work.folder / "unused/stamp.json",
        spec="bench",
        encoder=work.folder / ("plain" if plain else "encoder") / "stamp.json",
        start=None,
        tasks=(TaskJob("mnli", "classification", LABELS, (stamp,), hyperparameters, *scored),),
        multi=Multi(),
        compute=Compute(precision="fp32" if "fp32" in work.side else "bf16"),
        seed=1,
        save_every=1e9,
    )


# --- one side, in a process of its own -----------------------------------------------------------


def wait_for_device() -> None:
    """Until everything that was queued is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ours(work: Work, ready: Barrier) -> dict[str, Any]:
    """The engine's own loop."""
    with TemporaryDirectory() as out:
        training = TrainingRun(replace(job(work), stamp=Path(out) / "stamp.json"))
        trainer = training.trainer
        items = [trainer.schedule.batch(step)[1] for step in range(trainer.schedule.total)]
        lengths = trainer.data.lengths["mnli"]
        with trainer.device.settings():
            steps = training.steps()
            for _ in range(work.warm):
                next(steps)
            wait_for_device()
            ready.wait()
            began = time.perf_counter()
            for _ in range(work.steps):
                next(steps)
            wait_for_device()
            seconds = time.perf_counter() - began
            timed = items[work.warm : work.warm + work.steps]
            figures = measured(work, seconds, [lengths[i] for i in timed])
            if work.profile:
                figures["profile"] = profiled(steps)
    return figures | {"loss": trainer.losses["mnli"]}


def theirs(work: Work, ready: Barrier) -> dict[str, Any]:
    """The Trainer's loop."""
    import trainer
    import transformers

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        """When the first and the last timed step ended."""

        began = ended = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == work.warm:
                wait_for_device()
                ready.wait()
                self.began = time.perf_counter()
            if state.global_step == work.warm + work.steps:
                wait_for_device()
                self.ended = time.perf_counter()

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    training, clock = job(work), Clock()
    data = trainer.Batches(training)
    tuned = work.side == "trainer-tuned"
    bf16 = work.side != "trainer-fp32"
    trainer.trainer(training, data, bf16=bf16, tuned=tuned, log_every=500, watch=clock)
    lengths = data.features.lengths()
    # grouped by length, the steps have other items: those of all steps count on average
    steps = data.batches if tuned else data.batches[work.warm : work.warm + work.steps]
    sizes = [lengths[i] for i in steps]
    return measured(work, clock.ended - clock.began, sizes)


def measured(work: Work, seconds: float, sizes: list[np.ndarray]) -> dict[str, Any]:
    """The figures of a side; ``sizes``: tokens of each item of each timed step."""
    each = seconds / work.steps
    tokens = sum(int(s.sum()) for s in sizes)
    flops = sum(work.shape.flops(s) for s in sizes) / len(sizes)
    figures: dict[str, Any] = {
        "seconds_a_step": each,
        "tokens_a_second": tokens / len(sizes) / each,
        "real_tokens_a_step": tokens / len(sizes),
        "padded_tokens_a_step": sum(int(s.max()) * len(s) for s in sizes) / len(sizes),
        "steps": work.steps,
        "memory_gib": memory_gib(),
    }
    if chip := chip_of_this():
        peak, bandwidth = 1e12 * float(chip["peak"]), 1e12 * float(chip["bandwidth"])
        precision = "fp32" if "fp32" in work.side else "bf16"
        figures["share_of_peak"] = flops / each / peak
        figures["floor_seconds"] = flops / peak + work.shape.bytes_updated(precision) / bandwidth
    return figures


def memory_gib() -> float:
    """The most that this process has held."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def chip_of_this() -> dict[str, str] | None:
    """The row of the table of devices that this GPU has; none where bf16 is not its own."""
    if not torch.cuda.is_available():
        return None
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        return None
    return row_of(torch.cuda.get_device_name(), read_devices(HOME / "config/costs").values())


def profiled(steps: Iterator[int]) -> str:
    """What takes the time of some steps: kernels started, waits of the host, dearest operations."""
    from torch.profiler import ProfilerActivity, profile

    gpu = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]) as p:
        for _ in range(PROFILED):
            next(steps)
        wait_for_device()
    averages = p.key_averages()
    counted = {
        what: sum(a.count for a in averages if any(n in a.key for n in names)) / PROFILED
        for what, names in (
            ("kernels started", ("LaunchKernel",)),
            ("copies started", ("cudaMemcpyAsync",)),
            ("waits of the host", ("cudaStreamSynchronize", "cudaEventSynchronize")),
        )
    }
    by = "self_device_time_total" if gpu else "self_cpu_time_total"
    head = ", ".join(f"{what} a step: {count:.0f}" for what, count in counted.items())
    return f"{head}\n{averages.table(sort_by=by, row_limit=25, max_name_column_width=60)}"


def replayed(work: Work, ready: Barrier) -> dict[str, Any]:
    """Both passes of the encoder over one batch: launched one by one, and as one graph."""
    trainer = Trainer(job(work))
    trainer.train_mode(True)
    _, items = trainer.schedule.batch(0)
    with torch.no_grad():  # a graph of the default stream must not outlive this line
        batch, _ = trainer.gradients.forward(0, "mnli", items.tolist())
    gradient = torch.ones(len(batch.ids), work.shape.hidden, device=batch.ids.device)

    def both_passes() -> None:
        with torch.autocast(batch.ids.device.type, dtype=torch.bfloat16, cache_enabled=False):
            hidden = trainer.encoder(batch)
        hidden.float().backward(gradient)

    def seconds(run: Callable[[], None]) -> float:
        wait_for_device()
        began = time.perf_counter()
        for _ in range(work.steps):
            run()
        wait_for_device()
        return (time.perf_counter() - began) / work.steps

    both_passes()
    figures = {"launched_seconds": seconds(both_passes), "tokens": len(batch.ids)}
    if torch.cuda.is_available():
        figures["replayed_seconds"] = seconds(captured(both_passes, trainer.gradients.zero).replay)
    return figures | {"memory_gib": memory_gib()}


def ceilings(work: Work, ready: Barrier) -> dict[str, Any]:
    """What the device reaches in a large product, in a copy and in AdamW alone."""
    gpu = torch.cuda.is_available()
    device, size = torch.device("cuda" if gpu else "cpu"), 8192 if gpu else 256

    def seconds(run: Callable[[], Any]) -> float:
        for _ in range(work.warm):
            run()
        wait_for_device()
        began = time.perf_counter()
        for _ in range(work.steps):
            run()
        wait_for_device()
        return (time.perf_counter() - began) / work.steps

    figures: dict[str, Any] = {}
    for dtype in (torch.bfloat16, torch.float32):
        matrix = torch.randn(size, size, device=device).to(dtype)
        out = torch.empty_like(matrix)
        each = seconds(lambda matrix=matrix, out=out: torch.mm(matrix, matrix, out=out))  # type: ignore[misc]
        figures[f"product_tflops_{dtype}".replace("torch.", "")] = 2 * size**3 / each / 1e12
    values = torch.zeros(size * size, device=device)
    copied = torch.empty_like(values)
    each = seconds(lambda: copied.copy_(values))
    figures["copy_tb_a_second"] = 2 * values.numel() * values.element_size() / each / 1e12
    trained = work.shape.products + work.shape.rows * work.shape.hidden
    parameter = torch.nn.Parameter(torch.zeros(trained, device=device))
    parameter.grad = torch.zeros_like(parameter)
    figures["adamw_seconds"] = seconds(torch.optim.AdamW([parameter], fused=True).step)
    return figures | {"memory_gib": memory_gib()}


def captured(work: Callable[[], None], clear: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """Some work as a graph, warmed up beforehand on the stream it is recorded on, as torch says.

    ``clear`` forgets the gradients: those of the graph must lie in its own memory.
    """
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    clear()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=aside):
        work()
    return graph


def process(work: Work, ready: Barrier, figures: Queue[dict[str, Any]]) -> None:
    """A side from start to end; an error of it is put into its figures and stops no other side."""
    sys.path.insert(0, str(HOME / "bench"))
    kinds = {"trainer": theirs, "replayed": replayed, "ceilings": ceilings}
    run = kinds.get(work.side.split("-")[0], ours)
    try:
        figures.put(run(work, ready))
    except Exception as error:
        traceback.print_exc()
        with suppress(ValueError):
            ready.abort()
        figures.put({"error": f"{type(error).__name__}: {error}"[:500]})


def run_side(work: Work) -> dict[str, Any]:
    """A side, or as many trainings at once as its name says."""
    count = int(work.side.split("-")[1]) if work.side.startswith("shared") else 1
    fresh = multiprocessing.get_context("spawn")  # CUDA cannot be used in a forked process
    ready, figures = fresh.Barrier(count, timeout=300), fresh.Queue()
    processes = [fresh.Process(target=process, args=(work, ready, figures)) for _ in range(count)]
    for one in processes:
        one.start()
    found: list[dict[str, Any]] = []
    while len(found) < count:
        try:
            found.append(figures.get(timeout=5))
        except queue.Empty:
            if not any(one.is_alive() for one in processes):
                found.append({"error": "the process died"})
                break
    for one in processes:
        one.join()
    if failed := next((f for f in found if "error" in f), None):
        return failed
    if work.side.startswith("shared"):
        rate = sum(1 / f["seconds_a_step"] for f in found)
        memory = sum(f["memory_gib"] for f in found)
        hourly = 3600 * rate / RECIPE
        return {"steps_a_second": rate, "trainings_an_hour": hourly, "memory_gib": memory}
    return found[0]


# --- telling -------------------------------------------------------------------------------------


def version_of(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """What was measured on."""
    packages = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "triton")
    figures: dict[str, Any] = {name: version_of(name) for name in packages}
    figures |= {"python": platform.python_version(), "cpus": os.cpu_count()}
    if not torch.cuda.is_available():
        return figures | {"device": f"cpu, {torch.backends.cpu.get_cpu_capability()}"}
    daemon = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
    figures |= {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return figures | {"mps": daemon.exists(), "chip": chip_of_this()}


def shown(results: dict[str, Any]) -> str:
    """The results as text."""
    about = results["machine"]
    lines = [", ".join(f"{key} {value}" for key, value in about.items())]
    sides = results["sides"]
    lines.append(
        f"{'':22}{'ms/step':>9}{'tokens/s':>11}{'of peak':>9}{'floor ms':>10}{'GiB':>7}"
        f"{'x default':>11}{'trainings/h':>13}"
    )
    default = sides.get("trainer-fp32", {}).get("seconds_a_step")
    for name in SIDES:
        if name not in sides:
            continue
        figures = sides[name]
        if "error" in figures:
            lines.append(f"{name:22}  {figures['error']}")
            continue
        if name == "ceilings":
            known = {k: v for k, v in figures.items() if k not in ("memory_gib", "whole_seconds")}
            lines.append(f"{name:22}  " + ", ".join(f"{k} {v:.4g}" for k, v in known.items()))
            continue
        if name == "replayed":
            each = 1000 * figures["launched_seconds"]
            graph = figures.get("replayed_seconds")
            as_graph = f"as a graph {1000 * graph:.1f} ms" if graph else "no graph without a GPU"
            lines.append(f"{name:22}  both passes {each:.1f} ms, {as_graph}")
            continue
        each, hourly = figures.get("seconds_a_step"), figures.get("trainings_an_hour")
        ratio = default / each if default and each else None
        cells = (
            (1000 * each if each else None, 9, ".1f"),
            (figures.get("tokens_a_second"), 11, ",.0f"),
            (figures.get("share_of_peak"), 9, ".1%"),
            (1000 * figures["floor_seconds"] if "floor_seconds" in figures else None, 10, ".1f"),
            (figures["memory_gib"], 7, ".2f"),
            (ratio, 11, ".2f"),
            (hourly, 13, ".3f"),
        )
        row = "".join(f"{'' if v is None else format(v, how):>{width}}" for v, width, how in cells)
        lines.append(f"{name:22}{row}")
    both = ("ours-bf16", "ours-bf16-no-dropout")
    with_noise, without = (sides.get(n, {}).get("seconds_a_step") for n in both)
    if with_noise and without:
        lines.append(f"dropout takes {1 - without / with_noise:.0%} of a step of ours-bf16")
    return "\n".join(lines)


def main() -> None:
    """Run the sides that are asked for, and print all that are known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sides", nargs="+", choices=SIDES, metavar="SIDE", help="default: all")
    parser.add_argument("--steps", type=int, default=150, help="timed steps")
    parser.add_argument("--warm", type=int, default=40, help="steps before them")
    parser.add_argument("--shape", choices=SHAPES, default="xlm-r-large")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--folder", type=Path, default=HOME / "results/bench_gpu")
    parser.add_argument("--out", type=Path, help="JSON, added to; <folder>/<shape>.json")
    parser.add_argument("--profile", action="store_true", help="of our sides, after their timing")
    args = parser.parse_args()
    if args.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        sys.exit("no GPU is seen; to try the program without one: --shape tiny --device cpu")
    shape, out = SHAPES[args.shape], args.out or args.folder / f"{args.shape}.json"
    prepare(args.folder / args.shape, shape)
    results = json.loads(out.read_text()) if out.exists() else {"sides": {}}
    about = machine() | {"shape": asdict(shape), "batch": BATCH}
    if results.get("machine", about) != about:
        sys.exit(f"{out} is of another machine or shape: give another --out")
    results["machine"] = about
    for side in args.sides or (SIDES if args.device == "cuda" else TRIED):
        began = time.perf_counter()
        work = Work(side, args.folder / args.shape, shape, args.warm, args.steps, args.profile)
        figures = run_side(work)
        results["sides"][side] = figures | {"whole_seconds": time.perf_counter() - began}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1))
        print(f"{side}: {results['sides'][side]['whole_seconds']:.0f} s in all", flush=True)
        print(figures.get("profile", ""), end="\n" if "profile" in figures else "", flush=True)
    print(shown(results))


if __name__ == "__main__":
    main()
