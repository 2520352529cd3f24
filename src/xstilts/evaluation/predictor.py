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
from xstilts.models.checkpoint import Checkpoint
from xstilts.models.device import Device
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.models.forward import outputs_of
from xstilts.models.tokenizer import Tokenizer
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import verify
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.tasks.scoring import load_scoring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xstilts.data.examples import Example
    from xstilts.evaluation.job import EvaluationJob
    from xstilts.models.batch import Batch, Features, NumberedFeatures


@dataclass(frozen=True)
class EncodedPart:
    """Examples that are encoded together. Equal parts of different languages have one ``key``."""

    key: str
    features: Features


@dataclass(frozen=True)
class EncodedExamples:
    """A language's examples, in the order of their parts, and in tokens.

    ``tuning``: the examples that the scorer's threshold is chosen on, if it has one.
    """

    examples: list[Example]
    parts: list[EncodedPart]
    tuning: EncodedExamples | None = None


@dataclass(frozen=True)
class Result:
    """The result of a language.

    ``n``: how many things were scored; ``counts``: how often something in the examples could not be
    represented, by its name; ``metrics``: in per cent; ``threshold``: the scorer's, if it has one.
    """

    predictions: list[dict[str, Any]]
    counts: dict[str, int]
    n: int
    metrics: dict[str, float]
    threshold: float | None = None


class Predictor:
    """A checkpoint that predicts. Its encoder has the embedding rows of one language at a time."""

    def __init__(self, job: EvaluationJob) -> None:
        """Verify and load the checkpoint; raises `LineageError` if its bytes are not as stamped."""
        self.job = job
        self.folder = job.encoder.parent
        self.task_model = load_model(job.task_type)
        self.scoring = load_scoring(job.task_type)
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
        self.encoder = checkpoint.build(
            self.folder, self.checkpoint, EmbeddingRows(torch.arange(1))
        )
        self.encoder.to(self.device.torch).eval()
        self.head = self.task_model.head(self.encoder.shape.hidden, job.labels)
        if job.head is not None and self.checkpoint is not None:
            self.head.load_state_dict(self.checkpoint.head(job.head))
        self.head.to(self.device.torch).eval()
        self._encoded: list[EncodedPart] = []  # of the last language; the reading thread's own
        self._outputs: dict[str, list[np.ndarray]] = {}  # of the last language, by a part's key

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The encoder's tokenizer."""
        return Tokenizer(self.folder)

    # -- examples (in a thread of their own) ------------------------------------------------------

    def encode(self, language: str) -> EncodedExamples:
        """Read, limit and tokenise a language's examples.

        Raises `LineageError` where the bytes of a file are not as stamped.
        """
        job = self.job
        encoded = self._encode(job.examples[language])
        if language not in job.tuning:
            return encoded
        tuning = self._encode(job.tuning[language])
        return EncodedExamples(encoded.examples, encoded.parts, tuning)

    def _encode(self, stamp: Path) -> EncodedExamples:
        verify(stamp, self.job.specs.get(stamp))
        limit = self.job.evaluation.limit(self.job.identity["target"])
        rows = examples.read(stamp.with_suffix(".parquet"))
        chosen = examples.first(self.task_model.schema, rows, limit)
        parts = [[chosen[i] for i in part] for part in self.task_model.parts(chosen)]
        earlier = {part.key: part for part in self._encoded if part.key}
        self._encoded = []
        for part in parts:
            key = _digest(part) if len(parts) > 1 else ""
            self._encoded.append(earlier.get(key) or EncodedPart(key, self._features(part)))
        return EncodedExamples([x for part in parts for x in part], self._encoded)

    def _features(self, part: list[Example]) -> Features:
        job = self.job
        context = EncodingContext(self.tokenizer, job.labels, job.limits)
        return self.task_model.encode(part, context)

    # -- results ----------------------------------------------------------------------------------

    def result(self, encoded: EncodedExamples, language: str) -> Result:
        """Predictions and scores of a language, its scorer's threshold chosen if it has one."""
        job = self.job
        outputs = self.outputs(encoded)
        official = outputs
        if job.sweep:
            layer = -1 if job.layer is None else job.layer
            official = [states[layer] for states in outputs]
        predictions = self._decode(encoded, official)
        threshold = None
        if job.scorer in self.scoring.threshold_scorers:
            tuning, tuning_predictions = encoded, predictions
            if encoded.tuning:
                tuning = encoded.tuning
                tuning_predictions = self._decode(tuning, self.outputs(tuning))
            threshold = self.scoring.choose_threshold(tuning.examples, tuning_predictions)
            predictions = self.scoring.apply_threshold(predictions, threshold)
        n, metrics = self.scoring.score(encoded.examples, predictions, job.scorer, language)
        if job.sweep:
            metrics |= self._metrics_by_layer(encoded, outputs, language)
        counts = sum((part.features.counts for part in encoded.parts), Counter())
        return Result(predictions, dict(sorted(counts.items())), n, metrics, threshold)

    def _decode(
        self, encoded: EncodedExamples, outputs: Sequence[np.ndarray]
    ) -> list[dict[str, Any]]:
        job = self.job
        features = encoded.parts[0].features  # task types with several parts do not read them
        with self.device.settings():
            return self.task_model.decode(
                encoded.examples, features, outputs, job.labels, job.scorer
            )

    def _metrics_by_layer(
        self, encoded: EncodedExamples, outputs: Sequence[np.ndarray], language: str
    ) -> dict[str, float]:
        """The primary metric of every layer; 00 is the embeddings'."""
        job, by_layer = self.job, {}
        for layer in range(len(outputs[0])):
            predictions = self._decode(encoded, [states[layer] for states in outputs])
            _, metrics = self.scoring.score(encoded.examples, predictions, job.scorer, language)
            by_layer[f"{job.primary}_layer_{layer:02d}"] = metrics[job.primary]
        return by_layer

    def outputs(self, encoded: EncodedExamples) -> list[np.ndarray]:
        """The head's outputs, one array an instance, part after part.

        Each part has batches of its own, so that its outputs do not depend on the other parts. Only
        the outputs of the last language are kept, for parts that the next one shares. Raises
        `TrainingError` where an output is NaN or infinite.
        """
        keys = {part.key for part in encoded.parts} - {""}
        self._outputs = {key: kept for key, kept in self._outputs.items() if key in keys}
        outputs: list[np.ndarray] = []
        for part in encoded.parts:
            if part.key not in self._outputs:
                self._outputs[part.key] = self._compute(part.features)
            outputs += self._outputs[part.key]
        self._outputs.pop("", None)  # a part without a key is shared by no other language
        return outputs

    def _compute(self, features: Features) -> list[np.ndarray]:
        target, budget = self.job.identity["target"], self.job.evaluation.batch_tokens
        with self.device.settings():
            numbered = self.load_rows(features)
            with torch.inference_mode():
                outputs = outputs_of(target, numbered, budget, self.device, self.forward)
        if not all(np.isfinite(o).all() for o in outputs):
            raise TrainingError(
                f"{self.job.checkpoint}: produced NaN or infinite outputs; delete it and run "
                "snakemake to train it again"
            )
        return outputs

    def load_rows(self, features: Features) -> NumberedFeatures:
        """Give the encoder the embedding rows that some features need, and number these."""
        rows = EmbeddingRows.of([features])
        stored = self.checkpoint.embeddings if self.checkpoint else None
        rows.load(self.encoder, self.folder, stored)
        return rows.number(features)

    def forward(self, batch: Batch) -> list[np.ndarray]:
        """The head's outputs, one array an instance; in a layer sweep a row for each layer."""
        if not self.job.sweep:
            hidden = self.encoder(batch, self.job.layer)
            return self.task_model.outputs(self.head(hidden, batch), batch)
        states = (self.head(hidden, batch) for hidden in self.encoder.states(batch))
        by_state = [self.task_model.outputs(output, batch) for output in states]
        return [np.stack(instance) for instance in zip(*by_state, strict=True)]


def _digest(part: Sequence[Example]) -> str:
    """The digest of some examples: equal examples of two languages are encoded once."""
    digest = hashlib.sha256()
    for example in part:
        digest.update(repr(example).encode())
    return digest.hexdigest()
