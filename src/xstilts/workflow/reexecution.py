"""Compute scores of a finished study again, from the raw files, in an empty folder.

The jobs are those of the workflow, run one after the other in this process: the encoder is fetched,
examples are prepared, and every training that a score depends on is done, an ancestor of several
scores once. Of the study only raw files are taken, each verified by its checksum.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.audit.reexecution import (
    Outcome,
    ReexecutedScore,
    compare,
    machine_differences,
)
from xstilts.config.resolve import ScoreKey
from xstilts.data.checksums import LOCK
from xstilts.errors import LineageError, XstiltsError
from xstilts.evaluation import scores
from xstilts.grid.keys import EvaluationKey, ExamplesKey, TrainingKey
from xstilts.grid.paths import Paths
from xstilts.grid.snapshot import load_snapshot
from xstilts.provenance.code import code_of
from xstilts.provenance.digests import digest
from xstilts.provenance.files import read_json_object
from xstilts.provenance.stamp import StampReader
from xstilts.workflow.jobs import (
    evaluation_job,
    known_checksums,
    prepare_examples,
    training_job,
    verified,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xstilts.grid.artefacts import Artefact, Grid


def check_code(grid: Grid, drawn: Iterable[ScoreKey]) -> None:
    """Raise `LineageError` unless the code on disk is the code that computed these scores."""
    for key, languages in by_evaluation(drawn).items():
        for artefact in _artefacts(grid, key, languages):
            if digest(code_of(artefact.modules)) != grid.code_digest(artefact.modules):
                raise LineageError(
                    f"{grid.paths.results}: its scores cannot be computed again: the code of "
                    f"{', '.join(artefact.modules)} is not the code that computed them; check out "
                    "the commit that the run records (*.run.json) name as git_commit"
                )


def reexecute(
    snapshot: Path,
    grid: Grid,
    drawn: Sequence[ScoreKey],
    *,
    cards: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[ReexecutedScore]:
    """Compute the drawn scores again, and compare them with those of the study.

    ``snapshot``: what ``grid`` was loaded from. ``cards``: the folder with ``downloads.tsv``
    (default: the study's). A score that cannot be computed says why; the others go on.

    Raises `LineageError` if the code on disk is not the code of the snapshot.
    """
    check_code(grid, drawn)
    checksums = known_checksums(cards or grid.cards.folder)
    found: list[ReexecutedScore] = []
    with tempfile.TemporaryDirectory(prefix="xstilts-reexecution-") as name:
        folder = Path(name)
        again = load_snapshot(snapshot, Paths(folder / "results", folder / "resources"))
        rebuild = Rebuild(grid, again, checksums)
        for key, languages in by_evaluation(drawn).items():
            found += _reexecuted(rebuild, key, languages)
            progress(len(found), len(drawn))
    return found


def _reexecuted(
    rebuild: Rebuild, key: EvaluationKey, languages: Sequence[str]
) -> Iterator[ReexecutedScore]:
    """The scores of one evaluation, computed again and compared."""
    grid, again = rebuild.grid, rebuild.again
    stored, new = grid.paths.scores(key), again.paths.scores(key)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            rebuild.evaluate(key, languages)
    except (XstiltsError, OSError, RuntimeError) as error:  # torch raises the last
        problem = str(error).replace(f"{again.paths.results.parent}/", "")
        for language in languages:
            yield ReexecutedScore(
                ScoreKey(*key, language),
                f"{stored}: {language}",
                Outcome.NOT_COMPUTED,
                problem=problem,
            )
        return
    for language in languages:
        machine = list(dict.fromkeys(_machine_differences(grid, again, key, language)))
        yield compare(ScoreKey(*key, language), stored, new, machine)


def by_evaluation(drawn: Iterable[ScoreKey]) -> dict[EvaluationKey, list[str]]:
    """The languages to score, by evaluation: a checkpoint is loaded once for all of them."""
    found: dict[EvaluationKey, list[str]] = {}
    for score in drawn:
        key = EvaluationKey(score.encoder, score.condition, score.seed, score.target)
        found.setdefault(key, []).append(score.language)
    return found


class Rebuild:
    """Computes artefacts of ``grid`` again, into the paths of ``again``, which are empty.

    ``checksums``: of raw files, by path, as ``downloads.tsv`` lists them. Every artefact is tried
    once: an error is raised again for all that depend on it.
    """

    def __init__(self, grid: Grid, again: Grid, checksums: Mapping[str, str]) -> None:
        """Bring the checksums that the study recorded at its downloads."""
        self.grid, self.again, self.checksums = grid, again, checksums
        self._tried: dict[Path, Exception | None] = {}
        self._old, self._new = grid.paths.resources, again.paths.resources
        (self._new / "raw").mkdir(parents=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(self._old / "raw" / LOCK, self._new / "raw" / LOCK)

    def evaluate(self, key: EvaluationKey, languages: Sequence[str]) -> None:
        """Compute the scores of an evaluation in some languages, and first all their ancestors.

        Raises `XstiltsError` for what any of these jobs refuses.
        """
        from xstilts.evaluation import evaluate
        from xstilts.runtime.gpu_slots import gpu_slot

        grid = self.again
        self._fetch(key.encoder)
        for examples in _examples(grid, key, languages):
            self._prepare(examples)
        for training in _trainings(grid, key):
            self._train(training)
        verified(grid, grid.evaluation(key))
        with gpu_slot():
            evaluate.run(evaluation_job(grid, key, languages=languages))

    def _fetch(self, name: str) -> None:
        from xstilts.models import encoder

        artefact, card = self.again.encoder(name), self.again.cards.encoder(name)
        for folder, pattern in (("raw", f"encoders/{name}@*/*"), ("wheels", "*.whl")):
            for file in (self._old / folder).glob(pattern):
                self._bring(file)
        self._once(
            artefact,
            artefact.stamp,
            lambda: encoder.fetch(
                card, artefact.stamp, artefact.digest, self._new, self.again.sources.get(name)
            ),
        )

    def _prepare(self, key: ExamplesKey) -> None:
        grid, artefact = self.again, self.again.examples(key.task, key.split)
        card = grid.cards.task(key.task)
        entry = card.splits[key.split]  # type: ignore[index]
        for source in entry.sources_for(key.language):
            for file in card.raw_files(key.split, key.language, source).values():
                if not file.package:  # the package builds it again
                    self._bring(self._old / "raw" / file.path)
        self._once(
            artefact,
            grid.examples_stamp(key),
            lambda: prepare_examples(
                grid,
                artefact,
                key.task,
                key.split,
                languages=[key.language],
                checksums=self.checksums,
            ),
        )

    def _train(self, key: TrainingKey) -> None:
        from xstilts.runtime.gpu_slots import gpu_slot
        from xstilts.training import train

        def work() -> None:
            with gpu_slot():
                train.run(training_job(self.again, key))

        artefact = self.again.training(key)
        self._once(artefact, artefact.stamp, work)

    def _once(self, artefact: Artefact, stamp: Path, work: Callable[[], None]) -> None:
        """Do the work of an artefact, or raise again what it raised before."""
        if stamp not in self._tried:
            try:
                verified(self.again, artefact)
                work()
                self._tried[stamp] = None
            except (XstiltsError, OSError, RuntimeError) as error:
                self._tried[stamp] = error
        failure = self._tried[stamp]
        if failure is not None:
            raise failure

    def _bring(self, file: Path) -> None:
        """Link or copy a raw file of the study, if there is one; its reader verifies it."""
        target = self._new / file.relative_to(self._old)
        if not file.is_file() or file.name.startswith(".") or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)  # no job writes into a file: all replace whole files
        except OSError:  # another file system
            shutil.copyfile(file, target)


# --- ancestors -----------------------------------------------------------------------------------


def _trainings(grid: Grid, key: EvaluationKey) -> list[TrainingKey]:
    """The trainings that a checkpoint comes from, the first one first."""
    found: list[TrainingKey] = []
    training = grid.reads.evaluated_training(key)
    while training is not None:
        found.insert(0, training)
        training = grid.reads.training_before(training)
    return found


def _examples(grid: Grid, key: EvaluationKey, languages: Iterable[str]) -> list[ExamplesKey]:
    """The examples that the scores of an evaluation and its trainings read."""
    reads = grid.reads
    read = [
        examples
        for training in _trainings(grid, key)
        for examples in reads.examples_of_training(training.condition, training.stage)
    ]
    for language in languages:
        read += reads.score_inputs(key.target, language).values()
    return list(dict.fromkeys(read))


def _artefacts(grid: Grid, key: EvaluationKey, languages: Iterable[str]) -> Iterator[Artefact]:
    """All that is computed for the scores of an evaluation."""
    yield grid.encoder(key.encoder)
    for examples in _examples(grid, key, languages):
        yield grid.examples(examples.task, examples.split)
    yield from map(grid.training, _trainings(grid, key))
    yield grid.evaluation(key)


# --- machines ------------------------------------------------------------------------------------


def _machine_differences(
    grid: Grid, again: Grid, key: EvaluationKey, language: str
) -> Iterator[str]:
    """Where the jobs of a score ran on another machine than those of the study."""
    records = [read_json_object(scores.run_record(g.paths.scores(key))) for g in (grid, again)]
    languages = records[0].get("seconds_by_language")
    if not isinstance(languages, dict) or language not in languages:
        records[0] = {}  # the record is of a later evaluation, in other languages
    yield from machine_differences(*records)
    stamps = StampReader()
    for training in _trainings(grid, key):
        old, new = grid.training(training), again.training(training)
        sides = (read_json_object(side.folder / "run.json") for side in (old, new))
        yield from machine_differences(*sides)
        budgets = [stamps.outcomes(side.stamp).get("micro_batch_tokens") for side in (old, new)]
        if budgets[0] != budgets[1]:  # memory ran out: steps were cut otherwise
            yield f"micro_batch_tokens {budgets[0]}, here {budgets[1]}"
