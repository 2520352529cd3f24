"""A checkpoint that predicts and is scored, one language after the other."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xstilts.data import examples
from xstilts.errors import LineageError, TrainingError
from xstilts.models import checkpoint
from xstilts.models.batch import pack
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.device import Device
from xstilts.models.forward import fitted
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import verify
from xstilts.tasks.base import EncodingContext, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.evaluation.job import EvaluationJob
    from xstilts.models.batch import Batch, Features


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


class Model:
    """A checkpoint ready to predict: the encoder's embeddings come with each language's rows."""

    def __init__(self, job: EvaluationJob) -> None:
        """Verify and load the checkpoint; raises `LineageError` if its bytes are not as stamped."""
        self.job = job
        self.folder = job.encoder.parent
        self.task_model = load_model(job.task_type)
        self.device = Device.choose(job.compute)
        verify(job.encoder, job.specs.get(job.encoder))
        self.checkpoint: Checkpoint | None = None
        if job.checkpoint != job.encoder:
            stamp = verify(job.checkpoint, job.specs.get(job.checkpoint))
            if stamp["inputs"].get("encoder") != file_sha256(job.encoder):
                raise LineageError(
                    f"{job.checkpoint}: was trained from another {job.encoder} than there is now"
                )
            self.checkpoint = Checkpoint.load(job.checkpoint.parent / checkpoint.FILE, self.folder)
        self.encoder = checkpoint.build(self.folder, self.checkpoint, torch.arange(1))
        self.encoder.to(self.device.torch).eval()
        self.head = self.task_model.head(self.encoder.shape.hidden, job.labels)
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
        verify(stamp, self.job.specs.get(stamp))
        rows = examples.read(stamp.with_suffix(".parquet"))
        return self.encoded(
            examples.first(rows, self.job.evaluation.limit(self.job.identity["target"]))
        )

    def encoded(self, rows: list[Example]) -> Texts:
        """Examples in tokens; a part that the language before had as well is not made again."""
        chosen = [[rows[i] for i in part] for part in self.task_model.parts(rows)]
        known = {part.key: part for part in self._encoded if part.key}
        self._encoded = []
        for part in chosen:
            key = _digest(part) if len(chosen) > 1 else ""
            self._encoded.append(known.get(key) or Part(key, self._features(part)))
        return Texts([row for part in chosen for row in part], self._encoded)

    def _features(self, rows: list[Example]) -> Features:
        job = self.job
        context = EncodingContext(self.tokenizer, job.labels, job.limits)
        return self.task_model.encode(rows, context)

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
        if job.scorer in self.task_model.THRESHOLD_SCORERS:
            tuning, found = texts, predictions
            if texts.tuning:
                tuning = texts.tuning
                found = self._decoded(tuning, self.outputs(tuning))
            threshold = self.task_model.choose_threshold(tuning.rows, found)
            predictions = self.task_model.apply_threshold(predictions, threshold)
        n, metrics = self.task_model.score(texts.rows, predictions, job.scorer, language)
        if job.sweep:
            metrics |= self._by_layer(texts, outputs, language)
        counts = sum((part.features.counts for part in texts.parts), Counter())
        return Result(predictions, dict(sorted(counts.items())), n, metrics, threshold)

    def _decoded(self, texts: Texts, outputs: list[np.ndarray]) -> list[dict[str, Any]]:
        job = self.job
        features = texts.parts[0].features  # task types with several parts decode without
        with self.device.threads():
            return self.task_model.decode(texts.rows, features, outputs, job.labels, job.scorer)

    def _by_layer(self, texts: Texts, outputs: list[np.ndarray], language: str) -> dict[str, float]:
        """The primary metric of every layer; 00 is the embeddings'."""
        job, found = self.job, {}
        for layer in range(len(outputs[0])):
            predictions = self._decoded(texts, [states[layer] for states in outputs])
            _, metrics = self.task_model.score(texts.rows, predictions, job.scorer, language)
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
        words = checkpoint.words(self.folder, self.checkpoint, torch.from_numpy(used).long())
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
            return self.task_model.outputs(self.head(hidden, batch), batch)
        states = (self.head(hidden, batch) for hidden in self.encoder.states(batch))
        by_state = [self.task_model.outputs(output, batch) for output in states]
        return [np.stack(item) for item in zip(*by_state, strict=True)]


def _digest(rows: Sequence[Example]) -> str:
    """What tells a part of one language from that of another: all that its examples say."""
    found = hashlib.sha256()
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()
