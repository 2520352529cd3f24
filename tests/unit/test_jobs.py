"""A job does what its spec says, or nothing."""

from __future__ import annotations

import pytest
from world import CARDS

from xstilts import lineage
from xstilts.errors import LineageError
from xstilts.grid import Grid
from xstilts.jobs import checked, evaluation_job, training_job


@pytest.fixture
def grid(world):
    """As a job sees it: thawed."""
    made = world.grid()
    made.freeze()
    return Grid.thaw(made.frozen_path)


class TestChecked:
    def test_what_was_promised_may_run(self, grid):
        """Same study, same code, same digest."""
        stage = grid.examples("xqa", "test")
        assert checked(grid, stage, stage.digest) is stage

    def test_changed_code_is_refused(self, grid, monkeypatch):
        """The library was edited after the run had started."""
        stage = grid.examples("xqa", "test")
        code_of = lineage.code_of
        monkeypatch.setattr(lineage, "code_of", lambda m: code_of(m) | {"xstilts.new": "0"})
        with pytest.raises(LineageError) as refused:
            checked(grid, stage, stage.digest)
        assert str(refused.value) == (
            "the library was edited after this run had started, so this job would not compute "
            "what its stamp says; start snakemake again to compute with the new code"
        )

    def test_another_digest_is_refused(self, grid):
        """The workflow asked for something else than this study makes."""
        stage = grid.examples("xqa", "test")
        with pytest.raises(LineageError) as refused:
            checked(grid, stage, "0" * 64)
        assert str(refused.value) == (
            f"{stage.stamp}: this job would make {stage.digest[:12]}, the workflow asked for "
            "000000000000; the study was edited after the run had started: start it again"
        )


class TestTrainingJob:
    def test_the_baseline_is_a_fresh_encoder(self, grid):
        """Nothing comes before its recipe."""
        job = training_job(grid, "tiny", "none", 1, "qa")
        assert (job.encoder, job.start) == (grid.encoder_stamp("tiny"), None)
        assert [task.name for task in job.tasks] == ["qa"]

    def test_a_recipe_starts_from_the_intermediate_checkpoint(self, grid):
        """That is what STILTs is."""
        job = training_job(grid, "tiny", "nli", 2, "qa")
        assert job.start == grid.checkpoint_stamp("tiny", "nli", 2, "intermediate")
        assert job.seed == 2
        assert job.spec == grid.training("tiny", "nli", 2, "qa").digest

    def test_multi_trains_all_tasks_at_once(self, grid):
        """Each with its own labels and examples."""
        job = training_job(grid, "tiny", "multi", 1, "intermediate")
        assert [(task.name, task.labels) for task in job.tasks] == [
            ("choice", ()),
            ("nli", tuple(CARDS["nli"]["labels"])),
        ]

    def test_it_trains_in_english(self, world):
        """Also where a task has other languages first."""
        grid = world.grid(conditions=["none", "news"])
        job = training_job(grid, "tiny", "news", 1, "intermediate")
        assert job.tasks[0].examples == (grid.examples_stamp("news", "train", "en"),)


class TestEvaluationJob:
    def test_a_target_is_read_with_its_recipe_s_head(self, grid):
        """And with the recipe's labels, whose order is the head's."""
        job = evaluation_job(grid, "tiny", "nli", 1, "xnli")
        assert (job.head, job.labels, job.layer) == ("nli", ("yes", "no"), None)
        assert job.checkpoint == grid.checkpoint_stamp("tiny", "nli", 1, "nli")
        assert list(job.cells) == grid.resolved.languages["xnli"] == list(job.examples)

    def test_retrieval_has_no_head(self, grid):
        """It reads a hidden state of the encoder's card."""
        job = evaluation_job(grid, "tiny", "none", 1, "pairs")
        assert (job.head, job.layer, job.checkpoint) == (None, 2, grid.encoder_stamp("tiny"))
