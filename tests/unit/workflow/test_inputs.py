"""What each rule waits for: stamps of what is done, marks of the jobs that must run."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import run_of
from support.stored import (
    KEY,
    RECIPE,
    START,
    evaluate,
    finish,
    grid_in,
    put_encoder,
    put_examples,
    train,
)
from xstilts.grid.keys import ExamplesKey, TrainingKey
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import write_stamp
from xstilts.status.states import scores_digest
from xstilts.workflow.inputs import RuleInputs

TESTS = [ExamplesKey("xqa", "test", language) for language in ("en", "de")]


@pytest.fixture
def grid(world):
    """A study that has not been run."""
    return grid_in(world, world.folder)


@pytest.fixture
def finished(grid):
    """The same study, complete: with contamination search, table and report."""
    finish(grid)
    complete(grid)
    return grid


def complete(grid):
    """Leave the results that are computed from all scores."""
    for path in (grid.paths.table, grid.paths.report):
        path.write_bytes(b"")
    write_stamp(grid.contamination.stamp, spec=grid.contamination.digest, inputs={}, files=[])
    stamp(grid.table, {"scores": scores_digest(grid)}, grid.paths.table)
    stamp(grid.report, {"table": file_sha256(grid.table.stamp)}, grid.paths.report)


def stamp(artefact, inputs, file):
    write_stamp(artefact.stamp, spec=artefact.digest, inputs=inputs, files=[file])


def needs(grid, **options):
    """The inputs of every rule, in a run with these options."""
    return RuleInputs(run_of(grid, **options))


def marks(paths):
    """Those of the paths that are marks of the run, as rule and place."""
    parts = [Path(path).parts for path in paths]
    return ["/".join(p[p.index("now") + 1 :]).removesuffix(".json") for p in parts if ".runs" in p]


class TestOneArtefact:
    """Its stamp if it is done, the mark of its job if it is not."""

    def test_an_encoder(self, grid):
        """By its name."""
        assert marks([needs(grid).encoder("tiny")]) == ["fetch_encoder/tiny"]
        put_encoder(grid, "tiny")
        assert needs(grid).encoder("tiny") == str(grid.encoder("tiny").stamp)

    def test_a_checkpoint(self, grid):
        """By its place in the study."""
        assert marks([needs(grid).training(RECIPE)]) == ["train/tiny/nli/seed1/qa"]
        finish(grid)
        assert needs(grid).training(RECIPE) == str(grid.training(RECIPE).stamp)

    def test_a_checkpoint_that_several_keys_share_is_trained_by_one_job(self, grid):
        """The first of them."""
        shared = TrainingKey("tiny", "none", 1, "nli")
        inputs = needs(grid)
        assert inputs.training(shared) == inputs.training(START)

    def test_the_examples_of_a_split(self, grid):
        """One path stands for all its languages: one job prepares them."""
        assert marks(needs(grid).examples(TESTS)) == ["prepare_examples/xqa/test"]
        for key in TESTS:
            put_examples(grid, key)
        assert needs(grid).examples(TESTS) == [str(grid.examples_stamp(TESTS[0]))]

    @pytest.mark.parametrize("missing", TESTS)
    def test_the_examples_of_a_split_of_which_a_language_lacks(self, missing, grid):
        """The job that prepares it, wherever it stands in the order."""
        for key in TESTS:
            if key != missing:
                put_examples(grid, key)
        assert marks(needs(grid).examples(TESTS)) == ["prepare_examples/xqa/test"]

    def test_the_search_for_test_items(self, finished):
        """By its job's mark, once the search is of other examples."""
        assert needs(finished).contamination() == [str(finished.contamination.stamp)]
        finished.contamination.stamp.unlink()
        assert marks(needs(finished).contamination()) == ["check_contamination/study"]


class TestRules:
    def test_a_training_waits_for_encoder_start_and_examples(self, grid):
        """The start of an intermediate training is the encoder itself."""
        inputs = needs(grid).of_training("tiny", "nli", "1", "intermediate")
        assert {name: marks(paths) for name, paths in inputs.items()} == {
            "encoder": ["fetch_encoder/tiny"],
            "start": ["fetch_encoder/tiny"],
            "examples": ["prepare_examples/nli/train"],
        }
        inputs = needs(grid).of_training("tiny", "nli", "1", "qa")
        assert marks(inputs["start"]) == ["train/tiny/nli/seed1/intermediate"]

    def test_an_evaluation_waits_for_encoder_checkpoint_and_examples(self, grid):
        """Of its target."""
        inputs = needs(grid).of_evaluation("tiny", "nli", "1", "xqa")
        assert {name: marks(paths) for name, paths in inputs.items()} == {
            "encoder": ["fetch_encoder/tiny"],
            "checkpoint": ["train/tiny/nli/seed1/qa"],
            "examples": ["prepare_examples/xqa/test"],
        }

    def test_the_table_waits_for_the_evaluations_that_are_not_done(self, finished):
        """A score less, and its evaluation runs again."""
        finished.paths.scores(KEY).unlink()
        assert marks(needs(finished).table()) == ["evaluate/tiny/nli/seed1/xqa"]
        assert marks(needs(finished).report()) == ["changed"]

    def test_a_download_is_all_that_comes_from_outside(self, grid):
        """Encoders, all examples, and the search for test items."""
        found = marks(needs(grid).downloads())
        assert found[:2] == ["check_contamination/study", "fetch_encoder/tiny"]
        assert len(found) == 2 + len(grid.reads.needed_examples())

    def test_claims_are_judged_by_all_scores(self, finished):
        """Once; then nothing is asked for."""
        assert marks(needs(finished).claims()) == ["judge_claims/study"]
        write_stamp(
            finished.claims.stamp,
            spec=finished.claims.digest,
            inputs={"scores": scores_digest(finished)},
            files=[],
        )
        assert needs(finished).claims() == []
        finished.paths.scores(KEY).unlink()
        assert marks(needs(finished).claims()) == ["judge_claims/study"]

    def test_a_submission_is_written_from_all_scores(self, finished):
        """Once; then nothing is asked for."""
        assert marks(needs(finished).submission()) == ["write_submission/study"]
        write_stamp(
            finished.submission.stamp,
            spec=finished.submission.digest,
            inputs={"scores": scores_digest(finished)},
            files=[],
        )
        assert needs(finished).submission() == []
        finished.paths.scores(KEY).unlink()
        assert marks(needs(finished).submission()) == ["write_submission/study"]


def test_an_archive_is_packed_whenever_it_is_asked_for(finished):
    """It takes seconds, and its rule waits for the report."""
    assert marks(needs(finished).archive()) == ["pack_archive/study"]


def test_an_audit_is_made_whenever_it_is_asked_for(finished):
    """Files may have been changed since the last one."""
    assert marks(needs(finished).audit()) == ["audit_results/study"]


class TestFinished:
    def test_nothing_is_asked_for(self, finished):
        """No mark: no job."""
        inputs = needs(finished)
        assert (inputs.evaluations(), inputs.table(), inputs.report()) == ([], [], [])
        assert inputs.final() == [str(finished.paths.report)]
        assert marks(inputs.downloads()) == []

    def test_a_search_for_test_items_that_is_not_done_is_asked_for(self, finished):
        """Although the report is done: its code or its examples have changed since."""
        finished.contamination.stamp.unlink()
        assert marks(needs(finished).final()) == ["check_contamination/study"]

    def test_a_table_of_other_scores_is_written_again(self, finished):
        """Although every score is done: somebody evaluated again."""
        evaluate(finished, KEY, languages=["en", "de"])
        evaluate(finished, KEY)
        assert needs(finished).table() == []
        evaluate(finished, KEY, accuracy=75.0)
        assert marks(needs(finished).table()) == ["changed"]
        assert marks(needs(finished).report()) == ["changed"]

    def test_a_deleted_report_is_written_again(self, finished):
        """From the table, which stays."""
        finished.paths.report.unlink()
        assert needs(finished).table() == []
        assert marks(needs(finished).report()) == ["changed"]

    def test_deleted_checkpoints_are_not_trained_again(self, finished):
        """Nothing needs them."""
        finished.training(RECIPE).stamp.unlink()
        finished.training(START).stamp.unlink()
        assert needs(finished).final() == [str(finished.paths.report)]

    def test_a_checkpoint_that_changed_is_evaluated_again(self, finished):
        """In its targets alone."""
        train(finished, RECIPE, salt="other bytes")
        assert marks(needs(finished).evaluations()) == ["evaluate/tiny/nli/seed1/xqa"]


class TestForced:
    """``-R RULE`` runs the rule's jobs and all that follows, although all is done."""

    def test_a_forced_training(self, finished):
        """Trains and evaluates all; prepares nothing."""
        inputs = needs(finished, forcerun=["train"])
        assert marks([inputs.training(RECIPE)]) == ["train/tiny/nli/seed1/qa"]
        assert len(inputs.evaluations()) == len(finished.reads.evaluations())
        assert marks([inputs.encoder("tiny"), *inputs.all_examples()]) == []
        assert marks(inputs.contamination()) == []

    def test_a_forced_evaluation(self, finished):
        """Trains nothing."""
        inputs = needs(finished, forcerun=["evaluate"])
        assert len(inputs.evaluations()) == len(finished.reads.evaluations())
        assert marks([inputs.training(RECIPE)]) == []

    def test_a_forced_report(self, finished):
        """Leaves the table."""
        inputs = needs(finished, forcerun=["write_report"])
        assert inputs.table() == []
        assert marks(inputs.report()) == ["changed"]

    def test_a_rule_of_a_module_is_forced_by_its_own_name(self, finished):
        """A module prefixes its rules."""
        inputs = needs(finished, forcerun=["ours.train"])
        assert marks([inputs.training(RECIPE)]) == ["train/tiny/nli/seed1/qa"]

    def test_all_may_be_forced(self, finished):
        """``--forceall``."""
        inputs = needs(finished, forceall=True)
        assert marks([inputs.encoder("tiny")]) == ["fetch_encoder/tiny"]
        assert "check_contamination/study" in marks(inputs.final())

    def test_a_rule_that_no_rule_follows_forces_nothing(self, finished):
        """``download`` and ``submission`` are names of targets."""
        assert needs(finished, forcerun=["download"]).final() == [str(finished.paths.report)]
