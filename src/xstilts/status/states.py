"""Which artefacts of a grid are done, stale or missing: the one place that decides it.

A run, `xstilts plan` and `xstilts status` all ask here. An artefact is done if its stamp has the
spec that the grid asks for, and was computed from the inputs that are on disk now. Inputs that were
deleted to save space are ignored: what was computed from them remains valid. Snakemake's records
and file times play no part. Reading changes nothing on disk.
"""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.evaluation.scores import Score
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import EvaluationKey, TrainingKey

State = Literal["done", "stale", "missing"]
"""``stale``: on disk, but not as the study asks for it now, or not from the inputs on disk now."""


class States:
    """The states of all artefacts of a grid, as they are when each is first asked for."""

    def __init__(self, grid: Grid, stamps: StampReader | None = None) -> None:
        """Read nothing yet. ``stamps``: a reader that has read some stamps already."""
        self.grid = grid
        self.stamps = StampReader() if stamps is None else stamps
        # a run must see one and the same state from its first question to its last
        self.encoder = cache(self._encoder)
        self.examples = cache(self._examples)
        self.training = cache(self._training)
        self.scores = cache(self._scores)
        self._inputs_of_scores = cache(self._examples_of_scores)

    # -- shared artefacts -------------------------------------------------------------------------

    def _encoder(self, name: str) -> State:
        return self._of_stamp(self.grid.encoder(name))

    def _examples(self, task: str, split: str, language: str) -> State:
        artefact = self.grid.examples(task, split)
        return self._state(artefact.folder / f"{language}.json", artefact.digest)

    def _training(self, key: TrainingKey) -> State:
        """The state of a checkpoint, as of its stamp and of the stamps that it was trained from."""
        artefact = self.grid.training(key)
        state = self._of_stamp(artefact)
        if state != "done":
            return state
        recorded = set(self.stamps.inputs(artefact.stamp).values())
        present = (self.stamps.sha256(stamp) for stamp in self.training_inputs(key))
        return "done" if all(sha in recorded for sha in present if sha) else "stale"

    def training_inputs(self, key: TrainingKey) -> list[Path]:
        """The stamps that a training reads: its encoder, its start, its examples."""
        examples = self.grid.reads.examples_of_training(key.condition, key.stage)
        start = self.grid.start_of(key).stamp
        encoder = self.grid.encoder(key.encoder).stamp
        return [*dict.fromkeys((encoder, start)), *map(self.grid.examples_stamp, examples)]

    # -- scores -----------------------------------------------------------------------------------

    def _scores(self, key: EvaluationKey) -> dict[str, State]:
        """The state of every score of an evaluation, by language."""
        path, spec = self.grid.paths.scores(key), self.grid.evaluation(key).digest
        lines = _read(path)
        states = {
            language: _score_state(lines.get(language), spec, inputs)
            for language, inputs in self.score_inputs(key).items()
        }
        if "done" in states.values() and not _archive_is_long_enough(path, lines):
            return {code: "stale" if state == "done" else state for code, state in states.items()}
        return states

    def score_inputs(self, key: EvaluationKey) -> dict[str, dict[str, str]]:
        """The sha256 of the stamps on disk that the scores must be computed from.

        By language and role, as the ``inputs`` of the scores; a deleted stamp is left out.
        """
        checkpoint = _present(checkpoint=self.stamps.sha256(self.grid.evaluated(key).stamp))
        by_language = self._inputs_of_scores(key.target)
        return {language: checkpoint | inputs for language, inputs in by_language.items()}

    def evaluation(self, key: EvaluationKey) -> State:
        """The state of an evaluation as a whole: done if every score of it is."""
        states = set(self.scores(key).values())
        if states == {"done"}:
            return "done"
        return "missing" if states == {"missing"} else "stale"

    def _examples_of_scores(self, target: str) -> dict[str, dict[str, str]]:
        return {
            language: _present(
                **{
                    role: self.stamps.sha256(self.grid.examples_stamp(key))
                    for role, key in self.grid.reads.score_inputs(target, language).items()
                }
            )
            for language in self.grid.resolved.languages[target]
        }

    # -- results ----------------------------------------------------------------------------------

    @cached_property
    def contamination(self) -> State:
        """The state of the search for test items in the training data."""
        return self._of_stamp(self.grid.contamination)

    @cached_property
    def table(self) -> State:
        """The state of the table: done if it holds the scores that are on disk now."""
        state = self._of_result(self.grid.table, {"scores": self.scores_digest})
        if any(self.evaluation(key) != "done" for key in self.grid.reads.evaluations()):
            return "stale" if state == "done" else state
        return state

    @cached_property
    def report(self) -> State:
        """The state of the report: done if it is of the table that is on disk now."""
        state = self._of_result(self.grid.report, {"table": self.stamps.sha256(self._table_stamp)})
        return "stale" if state == "done" and self.table != "done" else state

    @cached_property
    def submission(self) -> State:
        """The state of the submission: done if it was written from the scores on disk now."""
        return self._of_result(self.grid.submission, {"scores": self.scores_digest})

    @property
    def _table_stamp(self) -> Path:
        return self.grid.table.stamp

    @cached_property
    def scores_digest(self) -> str:
        """Digest of the score files of the grid, by their path below the results and content."""
        return scores_digest(self.grid)

    # -- stamps -----------------------------------------------------------------------------------

    def _of_stamp(self, artefact: Artefact) -> State:
        return self._state(artefact.stamp, artefact.digest)

    def _state(self, stamp: Path, digest: str) -> State:
        if self.stamps.of(stamp) is None:
            return "missing"
        return "done" if self.stamps.spec(stamp) == digest else "stale"

    def _of_result(self, artefact: Artefact, inputs: Mapping[str, str | None]) -> State:
        """The state of a result that people may edit or delete: its files are checked as well."""
        state = self._of_stamp(artefact)
        if state != "done":
            return state
        files = self.stamps.files(artefact.stamp)
        for path, sha256 in files.items():
            if not path.is_file():
                return "missing"
            if file_sha256(path) != sha256:
                return "stale"
        return "done" if self.stamps.inputs(artefact.stamp) == inputs else "stale"


def scores_digest(grid: Grid) -> str:
    """Digest of the scores that a grid asks for, by evaluation, as they are on disk.

    A line of a language that the grid does not ask for plays no part.
    """
    found = hashlib.sha256()
    for key in grid.reads.evaluations():
        wanted = set(grid.resolved.languages[key.target])
        found.update(f"{key}\n".encode())
        for language, line in sorted(scores.raw_lines(grid.paths.scores(key)).items()):
            if language in wanted:
                found.update(line)
    return found.hexdigest()


def _present(**inputs: str | None) -> dict[str, str]:
    return {role: sha256 for role, sha256 in inputs.items() if sha256 is not None}


def _read(path: Path) -> dict[str, Score]:
    """The scores of a file; an unreadable file has none, and its evaluation will say why."""
    try:
        return scores.read(path)
    except LineageError:
        return {}


def _score_state(score: Score | None, spec: str, inputs: Mapping[str, str]) -> State:
    if score is None:
        return "missing"
    return "done" if score.get("spec") == spec and is_of(score, inputs) else "stale"


def is_of(score: Score, inputs: Mapping[str, str]) -> bool:
    """Whether a score was computed from these inputs (`States.score_inputs`)."""
    recorded = score.get("inputs")
    return isinstance(recorded, dict) and inputs.items() <= recorded.items()


def _archive_is_long_enough(path: Path, lines: dict[str, Score]) -> bool:
    try:
        return scores.archive(path).stat().st_size >= scores.archive_size(lines.values())
    except (OSError, KeyError, TypeError):
        return False
