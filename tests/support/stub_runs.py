"""Runs of a grid in milliseconds: the workflow's own decisions and jobs, computing only digests.

`run` asks `RuleInputs.final` as Snakemake does, resolves the marks into jobs, and runs them with
the real code around each computation (verification, locks, stamps, score files, the table). Only
the computations are stubs: bytes and metrics that follow from what the job was given and from the
content that it read. `Ledger` notes what was computed and which bytes it left; it knows nothing of
`xstilts.status`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from xstilts.analysis import table
from xstilts.config.encoder_card import ENCODER_FILES
from xstilts.data import prepare as data_prepare
from xstilts.evaluation import evaluate
from xstilts.evaluation.predictor import Result
from xstilts.grid import artefacts
from xstilts.grid.keys import EvaluationKey, ExamplesKey, TrainingKey
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import verify, write_stamp
from xstilts.training import train
from xstilts.workflow import jobs
from xstilts.workflow import run as workflow_run
from xstilts.workflow.inputs import RuleInputs
from xstilts.workflow.run import Run, read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from xstilts.evaluation.job import EvaluationJob
    from xstilts.grid.artefacts import Grid
    from xstilts.training.job import TrainingJob

Identity = tuple[str, ...]
"""The kind of an artefact and what names it: its stamp; of a score the file, language and spec."""


class Interrupted(Exception):
    """The run was killed between two jobs."""


# --- the record that a perfect workflow would have -----------------------------------------------


@dataclass
class Ledger:
    """What was computed, and the bytes that it left."""

    left: dict[Identity, dict[str, str]] = field(default_factory=dict)
    in_vain: list[Identity] = field(default_factory=list)
    """Computed although the artefact lay there as it was left."""
    computed: list[Identity] = field(default_factory=list)

    def computing(self, identity: Identity) -> None:
        """Note that a computation begins."""
        self.computed.append(identity)
        if self.is_intact(identity):
            self.in_vain.append(identity)

    def note(self, identity: Identity) -> None:
        """Note the bytes of an artefact that has just been written."""
        self.left[identity] = _bytes_of(identity)

    def is_intact(self, identity: Identity) -> bool:
        """Whether an artefact lies on disk, byte for byte as it was left."""
        return identity in self.left and self.left[identity] == _bytes_of(identity)

    def needed(self, grid: Grid) -> set[Identity]:
        """All that a run must compute at most: the scores that lack, and what they are made of."""
        wanted: set[Identity] = set()
        reads = grid.reads

        def want(identity: Identity) -> bool:
            if self.is_intact(identity) or identity in wanted:
                return False
            wanted.add(identity)
            return True

        def want_training(key: TrainingKey | None, encoder: str) -> None:
            if key is None:
                want(encoder_identity(grid, encoder))
            elif want(training_identity(grid, key)):
                want(encoder_identity(grid, encoder))
                want_training(reads.training_before(key), encoder)

        for key in reads.evaluations():
            lacking = [x for x in score_identities(grid, key) if not self.is_intact(x)]
            if lacking:
                wanted.update(lacking)
                want(encoder_identity(grid, key.encoder))
                want_training(reads.evaluated_training(key), key.encoder)
        # the search for test items reads all examples; one job prepares all languages that lack
        for task, split, languages in reads.needed_examples():
            for language in languages:
                want(examples_identity(grid, ExamplesKey(task, split, language)))
        return wanted


def encoder_identity(grid: Grid, name: str) -> Identity:
    """Of an encoder."""
    return "encoder", str(grid.encoder(name).stamp)


def examples_identity(grid: Grid, key: ExamplesKey) -> Identity:
    """Of the examples of a task, split and language."""
    return "examples", str(grid.examples_stamp(key))


def training_identity(grid: Grid, key: TrainingKey) -> Identity:
    """Of a checkpoint."""
    return "training", str(grid.training(key).stamp)


def score_identities(grid: Grid, key: EvaluationKey) -> list[Identity]:
    """Of every score of an evaluation."""
    artefact = grid.evaluation(key)
    languages = grid.resolved.languages[key.target]
    return [("score", str(artefact.stamp), code, artefact.digest) for code in languages]


def _bytes_of(identity: Identity) -> dict[str, str]:
    """The sha256 of all that an artefact consists of, by file; empty where a part is missing."""
    kind, where, *rest = identity
    if kind == "score":
        return _bytes_of_score(Path(where), rest[0])
    stamp = Path(where)
    names = {
        "encoder": list(ENCODER_FILES),
        "examples": [stamp.with_suffix(".parquet").name],
        "training": ["weights.safetensors"],
    }[kind]
    try:
        return {f.name: file_sha256(f) for f in (stamp, *(stamp.with_name(n) for n in names))}
    except OSError:
        return {}


def _bytes_of_score(path: Path, language: str) -> dict[str, str]:
    try:
        for line in reversed(path.read_bytes().splitlines()):
            if line.startswith(b"{") and _language(line) == language:
                with zipfile.ZipFile(path.with_suffix(".zip")) as archive:
                    predictions = archive.read(f"{language}.parquet")
                return {"line": _sha(line), "predictions": _sha(predictions)}
    except (OSError, KeyError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile):
        pass
    return {}


def _language(line: bytes) -> object:
    try:
        return json.loads(line).get("language")
    except ValueError:
        return None


def _sha(*parts: object) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else repr(part).encode())
        found.update(b"\0")
    return found.hexdigest()


# --- computations --------------------------------------------------------------------------------


class _Device:
    kind, precision = "cpu", "float32"
    describe = staticmethod(dict)

    @contextmanager
    def settings(self) -> Iterator[None]:
        yield


class StubTraining:
    """In place of `xstilts.training.train.TrainingRun`: weights are a digest of what is read."""

    def __init__(self, ledger: Ledger, job: TrainingJob) -> None:
        ledger.computing(("training", str(job.stamp)))
        self._job = job
        self.trainer = SimpleNamespace(
            device=_Device(), outcomes=dict, encoder=SimpleNamespace(note="")
        )

    def resume(self) -> int:
        return 0

    def steps(self, _: object) -> tuple[()]:
        return ()

    def write_checkpoint(self, path: Path) -> None:
        job = self._job
        given = [
            (t.name, t.task_type, t.labels, t.hyperparameters, t.head_from, _read(*t.examples))
            for t in job.tasks
        ]
        read = _read(job.encoder, *([job.start] if job.start else []))
        path.write_bytes(_sha(given, read, job.seed, job.compute).encode())


class StubPredictor:
    """In place of `xstilts.evaluation.predictor.Predictor`: metrics are digests of what is read."""

    scoring = SimpleNamespace(warnings=lambda predictions: [])
    device = _Device()

    def __init__(self, ledger: Ledger, job: EvaluationJob) -> None:
        self._ledger, self._job = ledger, job
        for stamp in (job.encoder, job.checkpoint):
            verify(stamp, job.specs.get(stamp))
        self._read = _read(job.encoder, job.checkpoint)

    def encode(self, language: str) -> str:
        stamps = [x[language] for x in (self._job.examples, self._job.tuning) if language in x]
        for stamp in stamps:
            verify(stamp, self._job.specs.get(stamp))
        return _read(*stamps)

    def result(self, encoded: str, language: str) -> Result:
        job = self._job
        self._ledger.computing(("score", str(job.score_file), language, job.spec))
        lengths = job.limits.max_length, job.limits.doc_stride, job.limits.max_query_length
        given = job.labels, job.scorer, job.head, job.layer, lengths, job.evaluation
        number = int(_sha(given, self._read, encoded)[:12], 16)
        predictions = [{"id": "1", "prediction": number}]
        return Result(predictions, {}, 1, {job.primary: number % 10_000 / 100})


def _read(*stamps: Path) -> str:
    """A digest of the files that some stamps list."""
    named = [(s.parent / name) for s in stamps for name in json.loads(s.read_bytes())["files"]]
    return _sha(*(path.read_bytes() for path in named))


def replace_computations(patch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """Put the stubs in the place of all that takes time."""
    patch.setattr(train, "TrainingRun", partial(StubTraining, ledger))
    patch.setattr(evaluate, "Predictor", partial(StubPredictor, ledger))
    patch.setattr(data_prepare, "prepare", partial(_prepare, ledger))
    patch.setattr("os.fsync", lambda _: None)
    patch.setattr(artefacts, "code_of", cache(artefacts.code_of))
    patch.setattr(workflow_run.planned_vs_actual, "save_plan", lambda *_: None)
    patch.setattr(workflow_run.atexit, "register", lambda *_, **__: None)


def _prepare(ledger: Ledger, card: Any, _: object, split: str, language: str, **job: Any) -> None:
    identity = "examples", str(job["stamp"])
    ledger.computing(identity)
    parquet = job["stamp"].with_suffix(".parquet")
    parquet.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_text(_sha(card.task, card.codes, card.splits[split].model_dump(), language))
    write_stamp(job["stamp"], spec=job["spec"], inputs={}, files=[parquet])
    ledger.note(identity)


def _fetch(ledger: Ledger, grid: Grid, name: str) -> None:
    artefact, card = grid.encoder(name), grid.cards.encoder(name)
    identity = encoder_identity(grid, name)
    ledger.computing(identity)
    artefact.folder.mkdir(parents=True, exist_ok=True)
    for file in ENCODER_FILES:
        content = (Path(str(card.folder)) / file).read_text()
        (artefact.folder / file).write_text(f"{content} {card.layers}")
    files = [artefact.folder / file for file in ENCODER_FILES]
    write_stamp(artefact.stamp, spec=artefact.digest, inputs={}, files=files)
    ledger.note(identity)


# --- runs ----------------------------------------------------------------------------------------

Job = tuple[str, tuple[str, ...]]
"""A rule and the wildcards of its mark."""


class _Plan:
    """The jobs of a run, each after those whose marks it waits for."""

    def __init__(self, run: Run) -> None:
        self._run, self._needs = run, RuleInputs(run)
        self._planned: dict[Job, None] = {}
        for path in self._needs.final():
            self._add(path)
        self.jobs = list(self._planned)

    def _add(self, path: str) -> bool:
        """Plan the job that makes a file; whether the file is made in this run."""
        paths, rule, rest = self._run.grid.paths, "", ()
        if Path(path).is_relative_to(self._run.folder):
            rule, *rest = Path(path).relative_to(self._run.folder).with_suffix("").parts
        elif path == str(paths.table):
            rule = "collect_scores"
        elif path == str(paths.report):
            rule = "write_report"
        elif Path(path).is_file():
            return False
        else:
            raise AssertionError(f"no rule makes {path}, which is missing")
        job = rule, tuple(rest)
        if job in self._planned:
            return True
        inputs, ancient = self._inputs(rule, tuple(rest))
        made = [self._add(path) for path in inputs]
        if Path(path).exists() and not any(made):
            return False
        for path in ancient:
            self._add(path)
        self._planned[job] = None
        return True

    def _inputs(self, rule: str, place: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """What a rule waits for, as the rules of ``workflow/rules`` have it; then the ancient."""
        needs = self._needs
        if rule == "train":
            return [p for group in needs.of_training(*_key(place)).values() for p in group], []
        if rule == "evaluate":
            return [p for group in needs.of_evaluation(*_key(place)).values() for p in group], []
        if rule == "check_contamination":
            return needs.all_examples("train", "test"), []
        if rule == "collect_scores":
            return needs.table(), needs.contamination()
        if rule == "write_report":
            return needs.report(), [str(self._run.grid.paths.table)]
        return [], []


def _key(place: tuple[str, ...]) -> tuple[str, str, str, str]:
    encoder, condition, seed, last = place
    return encoder, condition, seed.removeprefix("seed"), last


def run(grid: Grid, home: Path, ledger: Ledger, jobs_before_kill: int | None = None) -> list[Job]:
    """Run a study; give the jobs that ran. Raises `Interrupted` after so many jobs."""
    settings = SimpleNamespace(forcerun=frozenset(), forceall=False, targets=frozenset())
    workflow = SimpleNamespace(
        executor_plugin=object(), dryrun=False, touch=False, dag_settings=settings
    )
    folder = grid.paths.results / ".runs" / "run"
    planned = _Plan(Run(grid, folder, home, workflow, main=True)).jobs
    try:
        if planned:
            of_jobs, _, _ = read_run(folder)
            for number, (rule, place) in enumerate(planned):
                if number == jobs_before_kill:
                    raise Interrupted
                _JOBS[rule](of_jobs, place, ledger)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return planned


def _run_train(grid: Grid, place: tuple[str, ...], ledger: Ledger) -> None:
    encoder, condition, seed, stage = _key(place)
    key = TrainingKey(encoder, condition, int(seed), stage)
    jobs.link_checkpoint(grid, key)
    train.run(jobs.training_job(grid, key))
    ledger.note(training_identity(grid, key))


def _run_evaluate(grid: Grid, place: tuple[str, ...], ledger: Ledger) -> None:
    encoder, condition, seed, target = _key(place)
    key = EvaluationKey(encoder, condition, int(seed), target)
    evaluate.run(jobs.evaluation_job(grid, key), log=lambda _: None)
    for identity in score_identities(grid, key):
        ledger.note(identity)


def _run_prepare(grid: Grid, place: tuple[str, ...], _: Ledger) -> None:
    task, split = place
    jobs.prepare_examples(grid, grid.examples(task, split), task, split, log=lambda _: None)


def _run_contamination(grid: Grid, *_: object) -> None:
    artefact = grid.contamination
    overlaps = artefact.stamp.with_name("overlaps.tsv")
    overlaps.parent.mkdir(parents=True, exist_ok=True)
    overlaps.write_text("none\n")
    write_stamp(artefact.stamp, spec=artefact.digest, inputs={}, files=[overlaps])


def _run_table(grid: Grid, *_: object) -> None:
    table.write(grid, grid.paths.table)
    for key in grid.reads.trainings():
        jobs.link_checkpoint(grid, key)


def _run_report(grid: Grid, *_: object) -> None:
    path = grid.paths.report
    path.write_text(f"<html>{pd.read_parquet(grid.paths.table).to_csv()}")
    inputs = {"table": file_sha256(grid.table.stamp)}
    write_stamp(grid.report.stamp, spec=grid.report.digest, inputs=inputs, files=[path])


_JOBS: dict[str, Callable[[Grid, tuple[str, ...], Ledger], None]] = {
    "changed": lambda *_: None,
    "fetch_encoder": lambda grid, place, ledger: _fetch(ledger, grid, *place),
    "prepare_examples": _run_prepare,
    "check_contamination": _run_contamination,
    "train": _run_train,
    "evaluate": _run_evaluate,
    "collect_scores": _run_table,
    "write_report": _run_report,
}
