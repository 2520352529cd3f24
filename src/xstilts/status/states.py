"""Which artefacts of a grid are done, stale or missing: the one place that decides it.

A run, `xstilts plan` and `xstilts status` all ask here. An artefact is done if its stamp has the
spec that the grid asks for, and was computed from the inputs that are on disk now. Inputs that were
deleted to save space are ignored: what was computed from them remains valid. Snakemake's records
and file times play no part. Reading changes nothing on disk.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.evaluation.score_line import grid_digest
from xstilts.evaluation.scores import ScoreFile
from xstilts.grid.keys import EvaluationKey
from xstilts.grid.versions import other_versions
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import StampReader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from xstilts.evaluation.score_line import Score
    from xstilts.grid.artefacts import Artefact, Grid
    from xstilts.grid.keys import ExamplesKey, TrainingKey

State = Literal["done", "stale", "missing"]
"""``stale``: on disk, but not as the study asks for it now, or not from the inputs on disk now."""


_IDENTITY = (*EvaluationKey._fields, "spec")


class _Scores(NamedTuple):
    """The scores of an evaluation by language: their states, and what was changed in some.

    ``versions``: the other versions of the code that kept scores were computed by.
    """

    states: dict[str, State]
    faults: dict[str, str]
    versions: dict[str, str]


class States:
    """The states of all artefacts of a grid, as they are when each is first asked for."""

    def __init__(
        self, grid: Grid, stamps: StampReader | None = None, *, keep_versions: bool | None = None
    ) -> None:
        """Read nothing yet. ``stamps``: a reader that has read some stamps already.

        ``keep_versions``: whether scores that differ only in the version of the code are done
        (default: as the study says).
        """
        self.grid = grid
        wanted = grid.study.other_versions == "keep"
        self._keeps = wanted if keep_versions is None else keep_versions
        self.stamps = StampReader() if stamps is None else stamps
        # a run must see one and the same state from its first question to its last
        self.encoder = cache(self._encoder)
        self.examples = cache(self._examples)
        self.training = cache(self._training)
        self._found = cache(self._scores)
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
        present = (self._sha256_of(*stamped) for stamped in self.training_inputs(key).items())
        if not all(sha in recorded for sha in present if sha):
            return "stale"
        return "stale" if self._is_outdated(self.grid.reads.training_before(key)) else "done"

    def training_inputs(self, key: TrainingKey) -> dict[Path, str]:
        """The stamps that a training reads (its encoder, its start, its examples) and their specs.

        The spec is the digest that the stamp must have.
        """
        artefacts = (self.grid.encoder(key.encoder), self.grid.start_of(key))
        examples = self.grid.reads.examples_of_training(key.condition, key.stage)
        return {artefact.stamp: artefact.digest for artefact in artefacts} | {
            self.grid.examples_stamp(example): self.grid.examples(*example[:2]).digest
            for example in examples
        }

    def _is_outdated(self, key: TrainingKey | None) -> bool:
        """Whether a whole checkpoint was trained from other inputs than those on disk now.

        What was computed from it is out of date as well. A damaged checkpoint is not outdated.
        """
        if key is None:
            return False
        artefact = self.grid.training(key)
        return self._input(artefact) is not None and self.training(key) == "stale"

    # -- scores -----------------------------------------------------------------------------------

    def scores(self, key: EvaluationKey) -> dict[str, State]:
        """The state of every score of an evaluation, by language."""
        return self._found(key).states

    def faults(self, key: EvaluationKey) -> dict[str, str]:
        """What was changed in the scores of an evaluation after they were written, by language.

        The bytes of predictions are not read: the table and `xstilts audit` read them.
        """
        return self._found(key).faults

    def versions(self, key: EvaluationKey) -> dict[str, str]:
        """The version of the code of every kept score of an evaluation, by language.

        A score of the present version is not in it (`xstilts.grid.versions`).
        """
        return self._found(key).versions

    @cached_property
    def _others(self) -> dict[str, States]:
        """The states under every other version whose scores are kept, by its name."""
        if not self._keeps:
            return {}
        found = other_versions(self.grid).items()
        return {name: States(grid, self.stamps, keep_versions=False) for name, grid in found}

    def _scores(self, key: EvaluationKey) -> _Scores:
        states, faults = self._scores_of_now(key)
        versions = {
            language: name
            for language, state in states.items()
            if state == "stale"
            for name, other in reversed(self._others.items())
            if other.scores(key)[language] == "done"
        }
        return _Scores(states | dict.fromkeys(versions, "done"), faults, versions)

    def _scores_of_now(self, key: EvaluationKey) -> tuple[dict[str, State], dict[str, str]]:
        path = self.grid.paths.scores(key)
        # scores of one spec may be of several keys: an encoder that no seed has trained
        identity = (*key, self.grid.evaluation(key).digest)
        content = _load(path)
        states = {
            language: _score_state(content, language, identity, inputs)
            for language, inputs in self.score_inputs(key).items()
        }
        if self._is_outdated(self.grid.reads.evaluated_training(key)):
            states = _not_done(states, states)
        others = content.scores.keys() - scores.stored_languages(path, content.scores.values())
        faults = content.faults | dict.fromkeys(others, scores.OTHER_PREDICTIONS)
        return _not_done(states, faults), {code: faults[code] for code in states if code in faults}

    def score_inputs(self, key: EvaluationKey) -> dict[str, dict[str, str]]:
        """The sha256 of the stamps on disk that the scores must be computed from.

        By language and role, as the ``inputs`` of the scores; a stamp that was deleted or damaged
        is left out.
        """
        checkpoint = _present(checkpoint=self._input(self.grid.evaluated(key)))
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
                    role: self._examples_input(key)
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
        table = self.stamps.sha256(self.grid.table.stamp)
        state = self._of_result(self.grid.report, {"table": table})
        return "stale" if state == "done" and self.table != "done" else state

    @cached_property
    def claims(self) -> State:
        """The state of the verdicts: done if they were reached from the scores on disk now."""
        return self._of_result(self.grid.claims, {"scores": self.scores_digest})

    @cached_property
    def submission(self) -> State:
        """The state of the submission: done if it was written from the scores on disk now."""
        return self._of_result(self.grid.submission, {"scores": self.scores_digest})

    @cached_property
    def scores_digest(self) -> str:
        """The hash of the whole grid (`xstilts.evaluation.score_line.grid_digest`)."""
        return scores_digest(self.grid)

    # -- stamps -----------------------------------------------------------------------------------

    def _input(self, artefact: Artefact) -> str | None:
        """The sha256 of the stamp of an input; None if the input is not on disk.

        A stamp of another spec is damaged, since the spec's digest stands in its path. What was
        computed from the right input remains valid, as if the input had been deleted.
        """
        return self._sha256_of(artefact.stamp, artefact.digest)

    def _examples_input(self, key: ExamplesKey) -> str | None:
        digest = self.grid.examples(key.task, key.split).digest
        return self._sha256_of(self.grid.examples_stamp(key), digest)

    def _sha256_of(self, stamp: Path, digest: str) -> str | None:
        return self.stamps.sha256(stamp) if self.stamps.spec(stamp) == digest else None

    def _of_stamp(self, artefact: Artefact) -> State:
        return self._state(artefact.stamp, artefact.digest)

    def _state(self, stamp: Path, digest: str) -> State:
        state = self._of_spec(stamp, digest)
        return "missing" if state == "done" and not self.stamps.has_files(stamp) else state

    def _of_spec(self, stamp: Path, digest: str) -> State:
        if self.stamps.of(stamp) is None:
            return "missing"
        return "done" if self.stamps.spec(stamp) == digest else "stale"

    def _of_result(self, artefact: Artefact, inputs: Mapping[str, str | None]) -> State:
        """The state of a result that people may edit or delete: its files are checked as well."""
        state = self._of_spec(artefact.stamp, artefact.digest)
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
    """The hash of the whole grid, of the scores that it asks for, as they are on disk.

    A score of a language that the grid does not ask for plays no part, nor does one that was
    changed after it was written.
    """
    digests = (
        score["digest"]
        for key in grid.reads.evaluations()
        for language, score in _load(grid.paths.scores(key)).scores.items()
        if language in grid.resolved.languages[key.target]
    )
    return grid_digest(grid.table.digest, digests)


def _present(**inputs: str | None) -> dict[str, str]:
    return {role: sha256 for role, sha256 in inputs.items() if sha256 is not None}


def _not_done(states: dict[str, State], languages: Collection[str]) -> dict[str, State]:
    return states | {code: "stale" for code in languages if states.get(code) == "done"}


def _load(path: Path) -> ScoreFile:
    """The content of a score file; an unreadable one has none, and its evaluation will say why."""
    try:
        return scores.load(path)
    except LineageError:
        return ScoreFile()


def _score_state(
    content: ScoreFile, language: str, identity: tuple[object, ...], inputs: Mapping[str, str]
) -> State:
    score = content.scores.get(language)
    if score is None:
        return "stale" if language in content.faults else "missing"
    is_right = identity == tuple(map(score.get, _IDENTITY)) and is_of(score, inputs)
    return "done" if is_right else "stale"


def is_of(score: Score, inputs: Mapping[str, str]) -> bool:
    """Whether a score was computed from these inputs (`States.score_inputs`)."""
    recorded = score.get("inputs")
    return isinstance(recorded, dict) and inputs.items() <= recorded.items()
