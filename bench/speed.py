"""Training and evaluation speed beside a plain transformers loop, in one run, as ratios.

    make bench

Both sides train the same encoder on the same English inference pairs of the embedded benchmark,
same effective batch, same number of steps, float32, one CPU thread. The plain side is what an
example script does: `transformers` model, dense embedding matrix, dynamic padding in each batch.
Rounds alternate, so that a noisy machine disturbs both alike. Figures, not a gate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from xstilts.config.yaml_models import read_yaml
from xstilts.data import examples
from xstilts.grid.keys import INTERMEDIATE, ExamplesKey, TrainingKey
from xstilts.grid.opening import open_grid
from xstilts.models import checkpoint
from xstilts.models.batch import batches_by_tokens, pack
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.training.loop import Trainer
from xstilts.training.train import TrainingRun
from xstilts.workflow import jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from xstilts.models.batch import Features
    from xstilts.training.job import TrainingJob

STEPS, BATCH, ROUNDS, TASK = 8, 32, 3, "facts_nli"


def padded(features: Features, items: np.ndarray, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Items as (n, longest) ids and mask."""
    rows = [torch.from_numpy(features.sequences[i].astype(np.int64)) for i in items]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(r) for r in rows], batch_first=True)
    return ids, mask


def timed(work: Callable[[], Any]) -> float:
    """Seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def plain_training(folder: Path, features: Features, batches: list[np.ndarray]) -> None:
    """What an example script does."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    for items in batches:
        ids, mask = padded(features, items, model.config.pad_token_id)
        gold = torch.tensor([features.targets[i] for i in items])
        model(input_ids=ids, attention_mask=mask, labels=gold).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def our_training(job: TrainingJob) -> None:
    """The engine, reading and tokenising included."""
    with TemporaryDirectory() as folder:
        for _ in TrainingRun(replace(job, stamp=Path(folder) / "stamp.json")).steps():
            pass


def plain_evaluation(folder: Path, features: Features, items: np.ndarray) -> None:
    """Forward passes in the order of the file, padded."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        for start in range(0, len(items), BATCH):
            ids, mask = padded(features, items[start : start + BATCH], model.config.pad_token_id)
            model(input_ids=ids, attention_mask=mask)


def our_evaluation(folder: Path, features: Features, items: np.ndarray) -> None:
    """Forward passes sorted by length, without padding, over the rows that occur."""
    rows = EmbeddingRows.of([features])
    encoder = checkpoint.build(folder, None, rows).eval()
    numbered = rows.number(features)
    with torch.inference_mode():
        for batch in batches_by_tokens(features.lengths(), items.tolist(), 2048):
            encoder(pack(numbered, batch))


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    home = Path(__file__).parents[1]
    config = read_yaml(home / "config/config.yaml") | {"conditions": ["none", TASK]}
    config["training"] = {"all": {"batch_size": BATCH, "max_steps": STEPS, "max_length": 128}}
    grid = open_grid(config, "bench", home / "config", home / "envs/lock.txt")
    (encoder,) = grid.study.encoders
    folder = grid.encoder(encoder).stamp.parent
    stamp = grid.examples_stamp(ExamplesKey(TASK, "train", "en"))
    if not (folder / "stamp.json").exists() or not stamp.exists():
        sys.exit("run `snakemake --cores all download` first")
    labels = grid.cards.task(TASK).labels or []
    limits = grid.reads.hyperparameters(TASK, "intermediate")
    context = EncodingContext(Tokenizer(folder), labels, limits, training=True)
    rows = examples.read(stamp.with_suffix(".parquet"))
    features = load_model("classification").encode(rows, context)
    job = jobs.training_job(grid, TrainingKey(encoder, TASK, 1, INTERMEDIATE))
    batches = [Trainer(job).schedule.batch(step)[1] for step in range(STEPS)]
    items = np.arange(min(512, len(features)))
    tokens = sum(int(features.lengths()[b].sum()) for b in batches)
    seconds: dict[str, list[float]] = {"train, plain": [], "train, ours": []}
    seconds |= {"evaluate, plain": [], "evaluate, ours": []}
    for _ in range(ROUNDS):
        seconds["train, plain"].append(timed(lambda: plain_training(folder, features, batches)))
        seconds["train, ours"].append(timed(lambda: our_training(job)))
        seconds["evaluate, plain"].append(timed(lambda: plain_evaluation(folder, features, items)))
        seconds["evaluate, ours"].append(timed(lambda: our_evaluation(folder, features, items)))
    print(f"{encoder}, {STEPS} steps of {BATCH}, {tokens} tokens; {len(items)} evaluated; float32")
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, 1 thread")
    for name, values in seconds.items():
        print(f"{name:16} {min(values):7.2f} {statistics.median(values):7.2f} {max(values):7.2f} s")
    for kind in ("train", "evaluate"):
        ratios = [
            p / o for p, o in zip(seconds[f"{kind}, plain"], seconds[f"{kind}, ours"], strict=True)
        ]
        middle = statistics.median(ratios)
        print(f"{kind}: ours is {middle:.2f}x ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    main()
