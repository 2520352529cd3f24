"""Evaluation: one checkpoint on one target, in all the languages that are missing.

The checkpoint is loaded once. Each language's result is kept in a work folder as soon as it is
known and published at the end, so that what was computed before a failure is not computed again. A
cell that exists is kept only if its stamp is the one that would be written: a cell of another
checkpoint, other examples or other code is stale and is made again.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from xstilts import checkpoints, examples, formats
from xstilts.batching import by_tokens, pack
from xstilts.checkpoints import Checkpoint
from xstilts.devices import Device
from xstilts.errors import LineageError, TrainingError
from xstilts.lineage import (
    Run,
    file_sha256,
    read_json,
    verify,
    write_atomically,
    write_json,
)
from xstilts.tokenization import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xstilts.batching import Features
    from xstilts.cards import Hyperparameters
    from xstilts.examples import Example
    from xstilts.study import Compute, Evaluation

CELL_VERSION = 1


@dataclass(frozen=True)
class EvaluationJob:
    """One evaluation, whole. ``cells`` and ``examples`` give a path for each language."""

    spec: str
    identity: dict[str, Any]  # encoder, condition, seed, target: what the cells are of
    format: str
    labels: tuple[str, ...]
    scorer: str
    primary: str
    encoder: Path  # stamp
    checkpoint: Path  # stamp; the encoder's own where nothing was trained
    head: str | None  # the recipe whose head is read
    layer: int | None  # hidden state for retrieval
    limits: Hyperparameters
    evaluation: Evaluation
    compute: Compute
    cells: dict[str, Path]
    examples: dict[str, Path]
    work: Path  # folder, undeclared to Snakemake


def run(job: EvaluationJob, say: Callable[[str], None] = print) -> None:
    """Bring every cell of a job up to date."""
    expected = {language: _expected(job, language) for language in job.cells}
    todo = [lang for lang, path in job.cells.items() if not is_current(path, expected[lang])]
    say(f"{len(job.cells) - len(todo)} of {len(job.cells)} cells are up to date")
    clock = Run()
    model: Model | None = None
    seconds: dict[str, float] = {}
    for number, language in enumerate(todo, start=1):
        kept = job.work / f"{language}.json"
        if is_current(kept, expected[language]):
            continue
        model = model or Model(job)
        say(f"{language} ({number} of {len(todo)})")
        began = time.monotonic()
        _compute(job, model, language, expected[language], kept)
        seconds[language] = round(time.monotonic() - began, 3)
    for language in todo:
        _publish(job.work, job.cells[language], language)
    if model:
        folder = next(iter(job.cells.values())).parent
        clock.write(folder / "run.json", seconds_by_language=seconds, **model.device.facts())
    shutil.rmtree(job.work, ignore_errors=True)


# --- cells ---------------------------------------------------------------------------------------


def _expected(job: EvaluationJob, language: str) -> dict[str, Any]:
    """The part of a cell that says what it is a result of."""
    inputs = {"checkpoint": job.checkpoint, "examples": job.examples[language]}
    return {
        "cell": CELL_VERSION,
        **job.identity,
        "language": language,
        "spec": job.spec,
        "inputs": {role: file_sha256(stamp) for role, stamp in inputs.items()},
    }


def is_current(path: Path, expected: dict[str, Any]) -> bool:
    """Whether a cell exists, is whole, and is the result of exactly these inputs."""
    try:
        cell = read_json(path)
        predictions = path.parent / cell["predictions"]["file"]
        return (
            all(cell.get(key) == value for key, value in expected.items())
            and predictions.is_file()
            and file_sha256(predictions) == cell["predictions"]["sha256"]
        )
    except (LineageError, KeyError, TypeError):
        return False


def _compute(
    job: EvaluationJob, model: Model, language: str, expected: dict[str, Any], kept: Path
) -> None:
    verify(job.examples[language])
    rows = examples.read(job.examples[language].with_suffix(".parquet"))
    rows = _first(rows, job.evaluation.limit(job.identity["target"]))
    predictions, counts = model.predict(rows)
    n, metrics = model.form.score(rows, predictions, job.scorer, language)
    file = kept.with_suffix(".parquet")
    with write_atomically(file) as temporary:
        pq.write_table(pa.Table.from_pylist(predictions), temporary, compression="zstd")
    cell = expected | {
        "format": job.format,
        "primary": job.primary,
        "n": n,
        "metrics": metrics,
        "counts": counts,
        "warnings": _warnings(job.format, predictions),
        "device": model.device.kind,
        "precision": model.device.precision,
        "predictions": {
            "file": file.name,
            "sha256": file_sha256(file),
            "bytes": file.stat().st_size,
        },
    }
    write_json(kept, cell)


def _first(rows: list[Example], limit: int | None) -> list[Example]:
    """The first examples; for retrieval the first queries and the candidates that are right."""
    if limit is None or "side" not in rows[0]:
        return rows[:limit]
    queries = [row for row in rows if row["side"] == "query"][:limit]
    right = {name for query in queries for name in query["relevant"]}
    return queries + [row for row in rows if row["side"] == "candidate" and row["id"] in right]


def _warnings(format_name: str, predictions: list[dict[str, Any]]) -> list[str]:
    """What makes a score suspect: a model that always says the same, where gold does not."""
    if format_name not in ("classification", "multiple_choice"):
        return []
    said = {p["prediction"] for p in predictions}
    gold = {p["gold"] for p in predictions}
    return ["majority_class"] if len(said) == 1 and len(gold) > 1 else []


def _publish(work: Path, cell: Path, language: str) -> None:
    """Move a kept result to its place: first what the cell points to, the cell itself last."""
    cell.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".parquet", ".json"):
        with write_atomically(cell.with_suffix(suffix)) as temporary:
            shutil.copyfile(work / f"{language}{suffix}", temporary)


# --- the model -----------------------------------------------------------------------------------


class Model:
    """A checkpoint ready to predict: the encoder's embeddings come with each language's rows."""

    def __init__(self, job: EvaluationJob) -> None:
        """Verify and load the checkpoint; raises `LineageError` if its bytes are not as stamped."""
        self.job = job
        self.folder = job.encoder.parent
        self.form = formats.get(job.format)
        self.device = Device.choose(job.compute)
        verify(job.encoder)
        self.checkpoint: Checkpoint | None = None
        if job.checkpoint != job.encoder:
            if verify(job.checkpoint)["inputs"].get("encoder") != file_sha256(job.encoder):
                raise LineageError(
                    f"{job.checkpoint}: was trained from another {job.encoder} than there is now"
                )
            self.checkpoint = Checkpoint.load(job.checkpoint.parent / checkpoints.FILE)
        self.encoder = checkpoints.build(self.folder, self.checkpoint, torch.arange(1))
        self.encoder.to(self.device.torch).eval()
        self.head = self.form.head(self.encoder.shape.hidden, job.labels)
        if job.head is not None and self.checkpoint is not None:
            self.head.load_state_dict(self.checkpoint.head(job.head))
        self.head.to(self.device.torch).eval()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The encoder's tokenizer."""
        return Tokenizer(self.folder)

    def predict(self, rows: list[Example]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Predictions, and what of the examples could not be represented."""
        job = self.job
        with self.device.threads():
            features = self.form.encode(
                rows, self.tokenizer, job.labels, job.limits, training=False
            )
            outputs = self._outputs(self._with_embeddings(features))
        if not all(np.isfinite(o).all() for o in outputs):
            raise TrainingError(f"{job.checkpoint}: gives outputs that are no numbers")
        decoded = self.form.decode(rows, features, outputs, job.labels, job.scorer)
        return decoded, dict(sorted(features.counts.items()))

    def _with_embeddings(self, features: Features) -> Features:
        """Give the encoder the rows that these features need, and renumber their ids."""
        used = features.tokens_used()
        words = checkpoints.words(self.folder, self.checkpoint, torch.from_numpy(used).long())
        self.encoder.words.weight = torch.nn.Parameter(
            words.to(self.device.torch), requires_grad=False
        )
        return features.renumbered(used)

    @torch.inference_mode()
    def _outputs(self, features: Features) -> list[np.ndarray]:
        found: list[np.ndarray | None] = [None] * len(features)
        budget = self.job.evaluation.batch_tokens
        for items in by_tokens(features.lengths(), range(len(features)), budget):
            batch = pack(features, items, self.device.torch)
            with self.device.autocast():
                hidden = self.encoder(batch, self.job.layer)
                outputs = self.head(hidden, batch)
            for item, output in zip(items, self.form.outputs(outputs, batch), strict=True):
                found[item] = output
        return found  # type: ignore[return-value]
