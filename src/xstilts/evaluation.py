"""Evaluation: one checkpoint on one target, in all the languages that are missing.

The checkpoint is loaded once. Each language's result is kept in a work folder as soon as it is
known and published at the end, so that what was computed before a failure is not computed again. A
cell that exists is kept only if it says what the one that would be written says of its inputs: a
cell of another checkpoint, other examples or other code is stale and is made again.

While one language is in its forward passes, the next one is read and tokenised in a thread. What
languages share (the candidates of a multilingual pool) is tokenised and encoded once.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from xstilts import cells, checkpoints, examples, formats
from xstilts.batching import pack
from xstilts.checkpoints import Checkpoint
from xstilts.devices import Device
from xstilts.errors import LineageError, TrainingError
from xstilts.lease import lease
from xstilts.lineage import (
    Run,
    file_sha256,
    read_json,
    verify,
    write_atomically,
    write_json,
)
from xstilts.memory import fitted
from xstilts.tokenization import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from xstilts.batching import Batch, Features
    from xstilts.cells import Cell
    from xstilts.examples import Example
    from xstilts.hyperparameters import Hyperparameters
    from xstilts.study import Compute, Evaluation


@dataclass(frozen=True)
class EvaluationJob:
    """One evaluation, whole, in the languages that ``examples`` gives a stamp for.

    ``tuning``: the examples that the scorer's threshold is chosen on, by language; the scored ones
    themselves where there are none. ``sweep``: score every layer, not only ``layer``.
    """

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
    cells: Path  # the file of all of them
    examples: dict[str, Path]
    work: Path  # folder, undeclared to Snakemake
    tuning: Mapping[str, Path] = field(default_factory=dict)
    tuned_on: str | None = None  # the split of these
    sweep: bool = False


def run(job: EvaluationJob, say: Callable[[str], None] = print) -> None:
    """Bring every cell of a job up to date.

    A language that fails does not keep the others from being computed; then its error is raised.
    """
    with lease(job.cells.parent, say, name=f".{job.cells.stem}.lease.json"):
        _run(job, say)


def _run(job: EvaluationJob, say: Callable[[str], None]) -> None:
    expected = {language: _expected(job, language) for language in job.examples}
    kept = _kept(job, expected)
    todo = [language for language in job.examples if language not in kept]
    say(f"{len(job.examples) - len(todo)} of {len(job.examples)} cells are up to date")
    if not todo:
        return
    clock = Run()
    missing = [x for x in todo if not _is_waiting(job.work / f"{x}.json", expected[x])]
    seconds: dict[str, float] = {}
    failures: list[Exception] = []
    if missing:
        model = Model(job)
        for language, coming in _ahead(model, missing):
            say(f"{language} ({todo.index(language) + 1} of {len(todo)})")
            began = time.monotonic()
            try:
                _compute(job, model, language, coming.result(), expected[language])
            except Exception as error:  # whatever it is, it is raised below
                say(f"{language}: failed: {error}")
                failures.append(error)
                continue
            seconds[language] = round(time.monotonic() - began, 3)
    if failures:
        raise failures[0]
    new = {language: read_json(job.work / f"{language}.json") for language in todo}
    fresh = {language: job.work / cells.member(language) for language in todo}
    cells.write(job.cells, kept | new, fresh)
    if missing:
        record = cells.run_record(job.cells)
        clock.write(record, seconds_by_language=seconds, **model.device.facts())
    shutil.rmtree(job.work, ignore_errors=True)


def _ahead(model: Model, languages: Sequence[str]) -> Iterator[tuple[str, Future[Texts]]]:
    """Each language with its texts, read and tokenised while the one before it is computed.

    What goes wrong with a language comes up where its texts are asked for.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(model.texts, languages[0])
        for language, following in zip(languages, [*languages[1:], None], strict=True):
            ready = coming
            if following is not None:
                coming = thread.submit(model.texts, following)
            yield language, ready


# --- cells ---------------------------------------------------------------------------------------


def _expected(job: EvaluationJob, language: str) -> dict[str, Any]:
    """The part of a cell that says what it is a result of."""
    inputs = {"checkpoint": job.checkpoint, "examples": job.examples[language]}
    if language in job.tuning:
        inputs["tuning"] = job.tuning[language]
    return {
        "cell": cells.VERSION,
        **job.identity,
        "language": language,
        "spec": job.spec,
        "inputs": {role: file_sha256(stamp) for role, stamp in inputs.items()},
    }


def _kept(job: EvaluationJob, expected: dict[str, dict[str, Any]]) -> dict[str, Cell]:
    """The cells that stay: whole, and true. Those of languages not asked for stay as well."""
    checkpoint = file_sha256(job.checkpoint)
    fit = {}
    for language, cell in cells.read(job.cells).items():
        if language in expected:
            stays = _says(cell, expected[language])
        else:
            stays = _says(cell, job.identity | {"spec": job.spec})
            stays = stays and cell["inputs"]["checkpoint"] == checkpoint
        if stays:
            fit[language] = cell
    whole = cells.intact(job.cells, fit.values())
    return {language: cell for language, cell in fit.items() if language in whole}


def _says(cell: Cell, expected: dict[str, Any]) -> bool:
    return all(cell.get(key) == value for key, value in expected.items())


def _is_waiting(path: Path, expected: dict[str, Any]) -> bool:
    """Whether the work folder holds a result, from before a failure, of exactly these inputs."""
    try:
        cell = read_json(path)
        sha256 = file_sha256(path.with_suffix(".parquet"))
        return _says(cell, expected) and bool(cell["predictions"]["sha256"] == sha256)
    except (LineageError, OSError, KeyError, TypeError, AttributeError):
        return False


def _compute(
    job: EvaluationJob, model: Model, language: str, texts: Texts, expected: dict[str, Any]
) -> None:
    """Predict, score and keep one language."""
    result = model.result(texts, language)
    file = job.work / cells.member(language)
    with write_atomically(file) as temporary:
        pq.write_table(pa.Table.from_pylist(result.predictions), temporary, compression="zstd")
    cell = expected | {
        "format": job.format,
        "primary": job.primary,
        "n": result.n,
        "metrics": result.metrics,
        "counts": result.counts,
        "warnings": _warnings(job.format, result.predictions),
        "device": model.device.kind,
        "precision": model.device.precision,
        "predictions": {"sha256": file_sha256(file), "bytes": file.stat().st_size},
    }
    if result.threshold is not None:
        cell["threshold"] = {"value": result.threshold, "tuned_on": job.tuned_on or "test"}
    write_json(file.with_suffix(".json"), cell)


def _warnings(format_name: str, predictions: list[dict[str, Any]]) -> list[str]:
    """What makes a score suspect: a model that always says the same, where gold does not."""
    of_classes = format_name in ("classification", "multiple_choice", "tagging")
    return ["majority_class"] if of_classes and formats.collapsed(predictions) else []


# --- texts and results ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Examples that are encoded together. ``key`` tells equal parts of different languages."""

    key: str
    features: Features


@dataclass(frozen=True)
class Texts:
    """A language's examples, in the order of their parts, and in tokens.

    ``tuning`` are the examples to choose the scorer's threshold on, if it has one.
    """

    rows: list[Example]
    parts: list[Part]
    tuning: Texts | None = None


@dataclass(frozen=True)
class Result:
    """What a language came to. ``counts``: what of its examples could not be represented."""

    predictions: list[dict[str, Any]]
    counts: dict[str, int]
    n: int
    metrics: dict[str, float]
    threshold: float | None = None


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
            self.checkpoint = Checkpoint.load(job.checkpoint.parent / checkpoints.FILE, self.folder)
        self.encoder = checkpoints.build(self.folder, self.checkpoint, torch.arange(1))
        self.encoder.to(self.device.torch).eval()
        self.head = self.form.head(self.encoder.shape.hidden, job.labels)
        if job.head is not None and self.checkpoint is not None:
            self.head.load_state_dict(self.checkpoint.head(job.head))
        self.head.to(self.device.torch).eval()
        self._encoded: list[Part] = []  # of the last language; the reading thread's own
        self._known: dict[str, list[np.ndarray]] = {}  # outputs of its parts

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The encoder's tokenizer."""
        return Tokenizer(self.folder)

    # -- texts (in a thread of their own) ---------------------------------------------------------

    def texts(self, language: str) -> Texts:
        """Read, cut and tokenise a language's examples; raises `LineageError` if not as stamped."""
        job = self.job
        found = self._texts(job.examples[language])
        if language not in job.tuning:
            return found
        return Texts(found.rows, found.parts, self._texts(job.tuning[language]))

    def _texts(self, stamp: Path) -> Texts:
        verify(stamp)
        rows = examples.read(stamp.with_suffix(".parquet"))
        return self.encoded(
            examples.first(rows, self.job.evaluation.limit(self.job.identity["target"]))
        )

    def encoded(self, rows: list[Example]) -> Texts:
        """Examples in tokens; a part that the language before had as well is not made again."""
        chosen = [[rows[i] for i in part] for part in formats.parts(self.form, rows)]
        known = {part.key: part for part in self._encoded if part.key}
        self._encoded = []
        for part in chosen:
            key = _digest(part) if len(chosen) > 1 else ""
            self._encoded.append(known.get(key) or Part(key, self._features(part)))
        return Texts([row for part in chosen for row in part], self._encoded)

    def _features(self, rows: list[Example]) -> Features:
        job = self.job
        return self.form.encode(rows, self.tokenizer, job.labels, job.limits, training=False)

    # -- results ----------------------------------------------------------------------------------

    def result(self, texts: Texts, language: str) -> Result:
        """Predictions and scores of a language, its scorer's threshold tuned if it has one."""
        job = self.job
        outputs = self.outputs(texts)
        official = outputs
        if job.sweep:
            layer = -1 if job.layer is None else job.layer
            official = [states[layer] for states in outputs]
        predictions = self._decoded(texts, official)
        threshold = None
        if form := formats.tuned(self.form, job.scorer):
            tuning, found = texts, predictions
            if texts.tuning:
                tuning = texts.tuning
                found = self._decoded(tuning, self.outputs(tuning))
            threshold = form.tune(tuning.rows, found)
            predictions = form.tuned(predictions, threshold)
        n, metrics = self.form.score(texts.rows, predictions, job.scorer, language)
        if job.sweep:
            metrics |= self._by_layer(texts, outputs, language)
        counts = sum((part.features.counts for part in texts.parts), Counter())
        return Result(predictions, dict(sorted(counts.items())), n, metrics, threshold)

    def _decoded(self, texts: Texts, outputs: list[np.ndarray]) -> list[dict[str, Any]]:
        job = self.job
        features = texts.parts[0].features  # formats of several parts decode without
        with self.device.threads():
            return self.form.decode(texts.rows, features, outputs, job.labels, job.scorer)

    def _by_layer(self, texts: Texts, outputs: list[np.ndarray], language: str) -> dict[str, float]:
        """The primary metric of every layer; 00 is the embeddings'."""
        job, found = self.job, {}
        for layer in range(len(outputs[0])):
            predictions = self._decoded(texts, [states[layer] for states in outputs])
            _, metrics = self.form.score(texts.rows, predictions, job.scorer, language)
            found[f"{job.primary}_layer_{layer:02d}"] = metrics[job.primary]
        return found

    def outputs(self, texts: Texts) -> list[np.ndarray]:
        """The head's outputs, an item each, part after part.

        A part is batched on its own, so that its numbers do not hang on what else there is; only
        the last language's parts are kept for the next one.
        """
        keys = {part.key for part in texts.parts} - {""}
        known = {key: found for key, found in self._known.items() if key in keys}
        self._known = {}  # what is not wanted again goes before more comes
        for part in texts.parts:
            found = known.get(part.key) if part.key else None
            if found is None:
                with self.device.threads():
                    found = self._outputs(self._with_embeddings(part.features))
                if not all(np.isfinite(o).all() for o in found):
                    raise TrainingError(f"{self.job.checkpoint}: gives outputs that are no numbers")
            self._known[part.key] = found
        return [o for found in self._known.values() for o in found]

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
        def compute(items: list[int]) -> list[np.ndarray]:
            batch = pack(features, items).to(self.device.torch)
            with self.device.autocast():
                return self._heads(batch)

        budget = self.job.evaluation.batch_tokens
        target, items = self.job.identity["target"], range(len(features))
        found = fitted(target, features.lengths(), budget, compute, items)
        return [found[item] for item in items]

    def _heads(self, batch: Batch) -> list[np.ndarray]:
        """The head's outputs, an item each; of every state, stacked, where layers are swept."""
        if not self.job.sweep:
            hidden = self.encoder(batch, self.job.layer)
            return self.form.outputs(self.head(hidden, batch), batch)
        states = (self.head(hidden, batch) for hidden in self.encoder.states(batch))
        by_state = [self.form.outputs(output, batch) for output in states]
        return [np.stack(item) for item in zip(*by_state, strict=True)]


def _digest(rows: Sequence[Example]) -> str:
    """What tells a part of one language from that of another: all that its examples say."""
    found = hashlib.sha256()
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()
