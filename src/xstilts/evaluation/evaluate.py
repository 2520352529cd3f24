"""Evaluation: one checkpoint on one target, in all the languages that are missing.

The checkpoint is loaded once. Each language's result is kept in a work folder as soon as it is
known and published at the end, so that what was computed before a failure is not computed again. A
cell that exists is kept only if it says what the one that would be written says of its inputs: a
cell of another checkpoint, other examples or other code is stale and is made again.

While one language is in its forward passes, the next one is read and tokenised in a thread. What
languages share (the candidates of a multilingual pool) is tokenised and encoded once.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import read_json, write_atomically, write_json
from xstilts.provenance.run_record import RunRecord
from xstilts.runtime.lock import artefact_lock
from xstilts.tasks.base import constant_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from xstilts.config.task_schema import TaskSchema
    from xstilts.evaluation.job import EvaluationJob
    from xstilts.evaluation.scores import Score
from xstilts.evaluation.predictor import Model, Texts


def run(job: EvaluationJob, say: Callable[[str], None] = print) -> None:
    """Bring every cell of a job up to date.

    A language that fails does not keep the others from being computed; then its error is raised.
    """
    with artefact_lock(job.cells.parent, say, name=f".{job.cells.stem}.lock.json"):
        _run(job, say)


def _run(job: EvaluationJob, say: Callable[[str], None]) -> None:
    expected = {language: _expected(job, language) for language in job.examples}
    kept = _kept(job, expected)
    todo = [language for language in job.examples if language not in kept]
    say(f"{len(job.examples) - len(todo)} of {len(job.examples)} cells are up to date")
    if not todo:
        return
    clock = RunRecord()
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
    fresh = {language: job.work / scores.member_name(language) for language in todo}
    scores.write(job.cells, kept | new, fresh)
    if missing:
        record = scores.run_record(job.cells)
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


def _expected(job: EvaluationJob, language: str) -> dict[str, Any]:
    """The part of a cell that says what it is a result of."""
    inputs = {"checkpoint": job.checkpoint, "examples": job.examples[language]}
    if language in job.tuning:
        inputs["tuning"] = job.tuning[language]
    return {
        "version": scores.VERSION,
        **job.identity,
        "language": language,
        "spec": job.spec,
        "inputs": {role: file_sha256(stamp) for role, stamp in inputs.items()},
    }


def _kept(job: EvaluationJob, expected: dict[str, dict[str, Any]]) -> dict[str, Score]:
    """The cells that stay: whole, and true. Those of languages not asked for stay as well."""
    if job.redo_before and job.cells.exists() and job.cells.stat().st_mtime < job.redo_before:
        return {}  # the user forces this evaluation (snakemake -R evaluate)
    checkpoint = file_sha256(job.checkpoint)
    fit = {}
    for language, cell in scores.read(job.cells).items():
        if language in expected:
            stays = _says(cell, expected[language])
        else:
            stays = _says(cell, job.identity | {"spec": job.spec})
            stays = stays and cell["inputs"]["checkpoint"] == checkpoint
        if stays:
            fit[language] = cell
    whole = scores.verified_languages(job.cells, fit.values())
    return {language: cell for language, cell in fit.items() if language in whole}


def _says(cell: Score, expected: dict[str, Any]) -> bool:
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
    file = job.work / scores.member_name(language)
    with write_atomically(file) as temporary:
        pq.write_table(pa.Table.from_pylist(result.predictions), temporary, compression="zstd")
    cell = expected | {
        "task_type": job.task_type,
        "primary": job.primary,
        "n": result.n,
        "metrics": result.metrics,
        "counts": result.counts,
        "warnings": _warnings(model.task_model.schema, result.predictions),
        "device": model.device.kind,
        "precision": model.device.precision,
        "predictions": {"sha256": file_sha256(file), "bytes": file.stat().st_size},
    }
    if result.threshold is not None:
        cell["threshold"] = {"value": result.threshold, "tuned_on": job.tuned_on or "test"}
    write_json(file.with_suffix(".json"), cell)


def _warnings(schema: TaskSchema, predictions: list[dict[str, Any]]) -> list[str]:
    """What makes a score suspect: a model that always gives one class, where gold does not."""
    suspect = schema.is_classification and constant_prediction(predictions)
    return ["majority_class"] if suspect else []
