"""Evaluation: one checkpoint on one target, in all languages whose score is missing or stale.

The checkpoint is loaded once. Each language's result is kept in a work folder as soon as it is
known and published at the end, so that what was computed before a failure is not computed again. A
score is kept only if its inputs are those of the score that would be written: a score of another
checkpoint, other examples or other code is stale and is computed again.

While one language is in its forward passes, a thread reads and tokenises the next one. Examples
that languages share (the candidates of a multilingual pool) are tokenised and encoded once.
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
from xstilts.evaluation.archive import described, member_name
from xstilts.evaluation.predictor import Predictor
from xstilts.evaluation.score_line import VERSION, sealed
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.files import read_json, write_atomically, write_json
from xstilts.provenance.run_record import RunRecord
from xstilts.runtime.lock import artefact_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from xstilts.evaluation.job import EvaluationJob
    from xstilts.evaluation.predictor import EncodedExamples
    from xstilts.evaluation.score_line import Score


def run(job: EvaluationJob, log: Callable[[str], None] = print) -> None:
    """Bring every score of a job up to date.

    A language that fails does not keep the others from being computed; then its error is raised.
    """
    with artefact_lock(job.score_file.parent, log, name=f".{job.score_file.stem}.lock.json"):
        _run(job, log)


def _run(job: EvaluationJob, log: Callable[[str], None]) -> None:
    expected = {language: _expected(job, language) for language in job.examples}
    kept = _kept(job, expected, log)
    todo = [language for language in job.examples if language not in kept]
    log(f"{len(job.examples) - len(todo)} of {len(job.examples)} scores are up to date")
    if not todo:
        return
    record = RunRecord()
    missing = [x for x in todo if not _is_computed(job.work / f"{x}.json", expected[x])]
    seconds: dict[str, float] = {}
    failures: list[Exception] = []
    if missing:
        predictor = Predictor(job)
        for language, encoded in _prefetch_languages(predictor, missing):
            log(f"{language} ({todo.index(language) + 1} of {len(todo)})")
            started = time.monotonic()
            try:
                _compute(job, predictor, language, encoded.result(), expected[language])
            except Exception as error:  # whatever it is, it is raised below
                log(f"{language}: failed: {error}")
                failures.append(error)
                continue
            seconds[language] = round(time.monotonic() - started, 3)
    if failures:
        raise failures[0]
    new = {language: read_json(job.work / f"{language}.json") for language in todo}
    fresh = {language: job.work / member_name(language) for language in todo}
    scores.write(job.score_file, kept | new, fresh)
    if missing:
        path = scores.run_record(job.score_file)
        record.write(path, seconds_by_language=seconds, **predictor.device.describe())
    shutil.rmtree(job.work, ignore_errors=True)


def _prefetch_languages(
    predictor: Predictor, languages: Sequence[str]
) -> Iterator[tuple[str, Future[EncodedExamples]]]:
    """Each language with its examples, encoded while the language before it is computed.

    The future of a language raises what went wrong with it.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(predictor.encode, languages[0])
        for language, next_language in zip(languages, [*languages[1:], None], strict=True):
            encoded = following
            if next_language is not None:
                following = thread.submit(predictor.encode, next_language)
            yield language, encoded


def _expected(job: EvaluationJob, language: str) -> dict[str, Any]:
    """The part of a score that names what it was computed from."""
    inputs = {"checkpoint": job.checkpoint, "examples": job.examples[language]}
    if language in job.tuning:
        inputs["tuning"] = job.tuning[language]
    return {
        "version": VERSION,
        **job.identity,
        "language": language,
        "spec": job.spec,
        "inputs": {role: file_sha256(stamp) for role, stamp in inputs.items()},
    }


def _kept(
    job: EvaluationJob, expected: dict[str, dict[str, Any]], log: Callable[[str], None]
) -> dict[str, Score]:
    """The scores that are complete and still valid, also those of languages not in the job.

    Those that were changed after they were written are logged.
    """
    if (
        job.redo_before
        and job.score_file.exists()
        and job.score_file.stat().st_mtime < job.redo_before
    ):
        return {}  # the user forces this evaluation (snakemake -R evaluate)
    checkpoint = file_sha256(job.checkpoint)
    valid, content = {}, scores.load(job.score_file)
    for language, score in content.scores.items():
        if language in job.kept:
            stays = _agrees(score, job.identity)
        elif language in expected:
            stays = _agrees(score, expected[language])
        else:
            stays = _agrees(score, job.identity | {"spec": job.spec})
            stays = stays and score["inputs"]["checkpoint"] == checkpoint
        if stays:
            valid[language] = score
    complete = scores.verified_languages(job.score_file, valid.values())
    faults = content.faults | dict.fromkeys(valid.keys() - complete, scores.OTHER_PREDICTIONS)
    for language, fault in faults.items():
        log(f"{language}: {fault}; it is not kept")
    return {language: score for language, score in valid.items() if language in complete}


def _agrees(score: Score, expected: dict[str, Any]) -> bool:
    return all(score.get(key) == value for key, value in expected.items())


def _is_computed(path: Path, expected: dict[str, Any]) -> bool:
    """Whether the work folder has a result of exactly these inputs, kept before a failure."""
    try:
        score = read_json(path)
        sha256 = file_sha256(path.with_suffix(".parquet"))
        whole = sealed(score) == score and score["predictions"]["sha256"] == sha256
        return whole and _agrees(score, expected)
    except (LineageError, OSError, KeyError, TypeError, AttributeError):
        return False


def _compute(
    job: EvaluationJob,
    predictor: Predictor,
    language: str,
    encoded: EncodedExamples,
    expected: dict[str, Any],
) -> None:
    """Predict and score one language; write its result to the work folder."""
    result = predictor.result(encoded, language)
    file = job.work / member_name(language)
    with write_atomically(file) as temporary:
        pq.write_table(pa.Table.from_pylist(result.predictions), temporary, compression="zstd")
    score = expected | {
        "task_type": job.task_type,
        "primary": job.primary,
        "n": result.n,
        "metrics": result.metrics,
        "counts": result.counts,
        "warnings": predictor.scoring.warnings(result.predictions),
        "device": predictor.device.kind,
        "precision": predictor.device.precision,
        "predictions": described(file),
    }
    if result.threshold is not None:
        score["threshold"] = {"value": result.threshold, "tuned_on": job.tuned_on or "test"}
    write_json(file.with_suffix(".json"), sealed(score))
