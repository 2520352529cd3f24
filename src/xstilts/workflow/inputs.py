"""What each rule waits for: the marks of jobs that must run, the stamps of what is done."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from xstilts.grid.keys import EvaluationKey, ExamplesKey, TrainingKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xstilts.workflow.run import Run

Inputs = dict[str, list[str]]


class RuleInputs:
    """The inputs of every rule, as Snakemake asks for them while it plans."""

    def __init__(self, run: Run) -> None:
        """Look at no file yet."""
        self.run, self.grid, self.states = run, run.grid, run.states
        self._first: dict[str, TrainingKey] = {}  # the training that computes a digest
        for key in self.grid.reads.trainings():
            self._first.setdefault(self.grid.training(key).digest, key)
        # thousands of jobs ask for the same artefacts
        self.encoder, self.training = cache(self._encoder), cache(self._training)
        self._training_examples = cache(self._examples_of_training)
        self._target_examples = cache(self._examples_of_target)
        self._languages = {
            (task, split): languages for task, split, languages in self.grid.reads.needed_examples()
        }

    # -- one artefact: its stamp, or the mark of the job that computes it -------------------------

    def _encoder(self, name: str) -> str:
        """The stamp of an encoder, or the mark of the job that fetches it."""
        run = self.run
        if self.states.encoder(name) == "done" and not run.is_forced("fetch_encoder"):
            return str(self.grid.encoder(name).stamp)
        return run.mark("fetch_encoder", name)

    def _training(self, key: TrainingKey) -> str:
        """The stamp of a checkpoint, or the mark of the job that trains it."""
        artefact = self.grid.training(key)
        if self.states.training(key) == "done" and not self.run.is_forced("train"):
            return str(artefact.stamp)
        return self.run.mark("train", self._first[artefact.digest])

    def examples(self, keys: Iterable[ExamplesKey]) -> list[str]:
        """For each task and split one stamp, or the mark of the job that prepares it.

        One job prepares all languages of a task and split, so one stamp stands for them: 50 edges
        instead of one for each evaluation would take a minute more to plan for 90,000 scores.
        """
        chosen: dict[tuple[str, str], str] = {}
        for key in keys:
            place = (key.task, key.split)
            mark = f"{key.task}/{key.split}"
            if self.run.is_forced("prepare_examples") or self.states.examples(*key) != "done":
                chosen[place] = self.run.mark("prepare_examples", mark)
            else:
                chosen.setdefault(place, str(self.grid.examples_stamp(key)))
        return list(chosen.values())

    def _examples_of_training(self, condition: str, stage: str) -> list[str]:
        return self.examples(self.grid.reads.examples_of_training(condition, stage))

    def _examples_of_target(self, target: str) -> list[str]:
        return self.examples(
            ExamplesKey(target, split, language)
            for split in self.grid.reads.splits_read(target)
            for language in self.grid.resolved.languages[target]
        )

    def _start(self, encoder: str, training: TrainingKey | None) -> str:
        return self.encoder(encoder) if training is None else self.training(training)

    # -- rules ------------------------------------------------------------------------------------

    def of_training(self, encoder: str, condition: str, seed: str, stage: str) -> Inputs:
        """What ``train`` waits for."""
        key = TrainingKey(encoder, condition, int(seed), stage)
        return {
            "encoder": [self.encoder(encoder)],
            "start": [self._start(encoder, self.grid.reads.training_before(key))],
            "examples": self._training_examples(condition, stage),
        }

    def of_evaluation(self, encoder: str, condition: str, seed: str, target: str) -> Inputs:
        """What ``evaluate`` waits for."""
        key = EvaluationKey(encoder, condition, int(seed), target)
        return {
            "encoder": [self.encoder(encoder)],
            "checkpoint": [self._start(encoder, self.grid.reads.evaluated_training(key))],
            "examples": self._target_examples(target),
        }

    def all_examples(self, *splits: str) -> list[str]:
        """All examples of the grid, or those of some splits."""
        return self.examples(
            ExamplesKey(task, split, language)
            for (task, split), languages in self._languages.items()
            if not splits or split in splits
            for language in languages
        )

    def contamination(self) -> list[str]:
        """The search for test items in training data, or the mark of the job that does it."""
        if self.states.contamination == "done" and not self.run.is_forced("check_contamination"):
            return [str(self.grid.contamination.stamp)]
        return [self.run.mark("check_contamination", "study")]

    def evaluations(self) -> list[str]:
        """The marks of all evaluations of which a score is missing or stale."""
        everything = self.run.is_forced("evaluate")
        return [
            self.run.mark("evaluate", key)
            for key in self.grid.reads.evaluations()
            if everything or self.states.evaluation(key) != "done"
        ]

    def table(self) -> list[str]:
        """What ``collect_scores`` waits for; no mark if the table is done."""
        marks = self.evaluations()
        if not marks and (self.states.table != "done" or self.run.is_forced("collect_scores")):
            marks = [self.run.changed]
        return marks

    def report(self) -> list[str]:
        """What ``write_report`` waits for beside the table; no mark if the report is done."""
        stale = self.states.report != "done" or self.run.is_forced("write_report")
        return [self.run.changed] if stale or self.table() else []

    def final(self) -> list[str]:
        """What ``all`` asks for: the report, and all marks of jobs that must run before it.

        Snakemake does not run a job for a missing file that only finished jobs read, so the marks
        that the table waits for must be asked for by name.
        """
        stale = self.states.contamination != "done" or self.run.is_forced("check_contamination")
        finished = self.states.report == "done" and not stale and not self.run.forced
        if finished and not self.run.only_shows:
            # no rule makes the stamp: none of Snakemake's triggers can ask for a finished table
            return [str(self.grid.report.stamp)]
        marks = [*(self.contamination() if stale else []), *self.table(), *self.report()]
        return [str(self.grid.paths.report), *dict.fromkeys(marks)]

    def downloads(self) -> list[str]:
        """Everything that comes from outside, for ``download``."""
        encoders = [self.encoder(name) for name in self.grid.study.encoders]
        return [*self.contamination(), *encoders, *self.all_examples()]

    def claims(self) -> list[str]:
        """What ``claims`` asks for: its job's mark, unless the verdicts are done."""
        marks = self.evaluations()
        if not marks and self.states.claims == "done" and not self.run.forced:
            return []
        return [self.run.mark("judge_claims", "study")]

    def submission(self) -> list[str]:
        """What ``submission`` asks for: its job's mark, unless it is done."""
        marks = self.evaluations()
        if not marks and self.states.submission == "done" and not self.run.forced:
            return []
        return [self.run.mark("write_submission", "study")]

    def archive(self) -> list[str]:
        """What ``archive_results`` asks for: its job's mark; packing takes seconds."""
        return [self.run.mark("pack_archive", "study")]

    def audit(self) -> list[str]:
        """What ``audit`` asks for: its job's mark; files may have changed since the last one."""
        return [self.run.mark("audit_results", "study")]
