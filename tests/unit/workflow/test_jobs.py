"""A job does what its spec says, or nothing."""

from __future__ import annotations

import pytest

from support.world import CARDS
from xstilts.errors import LineageError
from xstilts.grid.keys import EvaluationKey, ExamplesKey, TrainingKey
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.provenance import code
from xstilts.provenance.stamp import write_stamp
from xstilts.workflow.jobs import (
    evaluation_job,
    labels_of,
    link_checkpoint,
    prepared_lines,
    training_job,
    verified,
)


@pytest.fixture
def grid(world):
    """As a job sees it: loaded from a snapshot."""
    made = world.grid()
    return load_snapshot(save_snapshot(made))


class TestVerified:
    def test_what_the_spec_names_may_run(self, grid):
        """The same study and the same code."""
        artefact = grid.examples("xqa", "test")
        assert verified(grid, artefact) is artefact

    def test_changed_code_is_refused(self, grid, monkeypatch):
        """The library was edited after the run had started."""
        artefact = grid.examples("xqa", "test")
        code_of = code.code_of
        monkeypatch.setattr(code, "code_of", lambda m: code_of(m) | {"xstilts.new": "0"})
        with pytest.raises(LineageError) as refused:
            verified(grid, artefact)
        assert str(refused.value) == (
            "the library was edited after this run had started, so this job would not compute "
            "what its stamp says; start snakemake again to compute with the new code"
        )


class TestLabels:
    def test_labels_are_the_cards(self, grid):
        """In the card's order."""
        assert labels_of(grid, "nli", "nli", "intermediate") == ("yes", "no")

    def test_labels_from_data_are_read_from_the_stamp_of_the_training_examples(self, world):
        """Known before the training starts, and the same for its evaluation."""
        world.change_card("nli", labels="from_data")
        grid = world.grid(resources=str(world.folder / "resources"))
        stamp = grid.examples_stamp(ExamplesKey("nli", "train", "en"))
        write_stamp(stamp, spec="", inputs={}, files=[], outcomes={"labels": ["b", "a"]})
        assert labels_of(grid, "nli", "nli", "intermediate") == ("a", "b")
        assert evaluation_job(grid, EvaluationKey("tiny", "none", 1, "xnli")).labels == ("a", "b")

    def test_without_the_examples_the_labels_cannot_be_known(self, world):
        """The message names the stamp that is missing."""
        world.change_card("nli", labels="from_data")
        grid = world.grid(resources=str(world.folder / "resources"))
        with pytest.raises(LineageError, match=r"nli-train-[0-9a-f]{16}/en\.json"):
            labels_of(grid, "nli", "nli", "intermediate")


class TestTrainingJob:
    def test_the_baseline_is_a_fresh_encoder(self, grid):
        """Nothing comes before its recipe."""
        job = training_job(grid, TrainingKey("tiny", "none", 1, "qa"))
        assert (job.encoder, job.start) == (grid.encoder("tiny").stamp, None)
        assert [task.name for task in job.tasks] == ["qa"]

    def test_a_recipe_starts_from_the_intermediate_checkpoint(self, grid):
        """That is what STILTs is."""
        job = training_job(grid, TrainingKey("tiny", "nli", 2, "qa"))
        assert job.start == grid.training(TrainingKey("tiny", "nli", 2, "intermediate")).stamp
        assert job.seed == 2
        assert job.spec == grid.training(TrainingKey("tiny", "nli", 2, "qa")).digest

    def test_multi_trains_all_tasks_at_once(self, grid):
        """Each with its own labels and examples."""
        job = training_job(grid, TrainingKey("tiny", "multi", 1, "intermediate"))
        assert [(task.name, task.labels) for task in job.tasks] == [
            ("choice", ()),
            ("nli", tuple(CARDS["nli"]["labels"])),
        ]

    def test_it_trains_in_english(self, world):
        """Also where a task has other languages first."""
        grid = world.grid(conditions=["none", "news"])
        job = training_job(grid, TrainingKey("tiny", "news", 1, "intermediate"))
        assert job.tasks[0].examples == (grid.examples_stamp(ExamplesKey("news", "train", "en")),)


class TestEvaluationJob:
    def test_a_target_is_read_with_its_recipe_s_head(self, grid):
        """And with the recipe's labels, whose order is the head's."""
        job = evaluation_job(grid, EvaluationKey("tiny", "nli", 1, "xnli"))
        assert (job.head, job.labels, job.layer) == ("nli", ("yes", "no"), None)
        assert job.checkpoint == grid.training(TrainingKey("tiny", "nli", 1, "nli")).stamp
        assert list(job.examples) == grid.resolved.languages["xnli"]
        assert job.score_file == grid.paths.scores(EvaluationKey("tiny", "nli", 1, "xnli"))

    def test_retrieval_has_no_head(self, grid):
        """It reads a hidden state of the encoder's card."""
        job = evaluation_job(grid, EvaluationKey("tiny", "none", 1, "pairs"))
        assert (job.head, job.layer, job.checkpoint) == (None, 2, grid.encoder("tiny").stamp)

    def test_retrieval_after_a_recipe_reads_the_recipe_s_checkpoint(self, world):
        """With the pooling for a head, at the layer and with the lengths of its own."""
        world.change_card("pairs", recipe="qa", training={"max_length": 77})
        job = evaluation_job(world.grid(), EvaluationKey("tiny", "nli", 1, "pairs"))
        assert job.checkpoint == world.grid().training(TrainingKey("tiny", "nli", 1, "qa")).stamp
        assert (job.head, job.layer, job.limits.max_length) == (None, 2, 77)

    def test_layers_are_swept_where_the_nearest_sentence_is_sought(self, world):
        """Unless the study does without; no other kind of target has them."""
        pairs, xnli = (EvaluationKey("tiny", "none", 1, target) for target in ("pairs", "xnli"))
        grid, plain = world.grid(), world.grid(evaluation={"layer_sweep": False})
        assert evaluation_job(grid, pairs).sweep
        assert not evaluation_job(grid, xnli).sweep
        assert not evaluation_job(plain, pairs).sweep
        assert plain.evaluation(pairs).digest != grid.evaluation(pairs).digest

    def test_a_scorer_that_is_tuned_reads_a_second_split(self, world):
        """In every language; it decides the scores and is prepared with the others."""
        key = EvaluationKey("tiny", "none", 1, "pairs")
        before = world.grid().evaluation(key).digest
        splits = CARDS["pairs"]["splits"]
        world.change_card(
            "pairs", scorer="bucc", primary="f1", tuned_on="dev",
            splits={"test": splits["test"], "dev": splits["test"]},
        )  # fmt: skip
        grid = world.grid()
        job = evaluation_job(grid, key)
        assert job.tuning == {
            c: grid.examples_stamp(ExamplesKey("pairs", "dev", c)) for c in ("de", "sw")
        }
        assert (job.tuned_on, job.sweep) == ("dev", False)
        assert grid.evaluation(key).digest != before
        assert ("pairs", "dev", ["de", "sw"]) in grid.reads.needed_examples()

    def test_every_stamp_that_it_reads_must_have_its_spec(self, grid):
        """A stamp of another spec under the same path is refused by the job."""
        key = EvaluationKey("tiny", "nli", 1, "xqa")
        job = evaluation_job(grid, key)
        read = {job.encoder, job.checkpoint, *job.examples.values()}
        assert set(job.specs) == read
        assert job.specs[job.checkpoint] == grid.evaluated(key).digest


class TestLink:
    KEY = TrainingKey("tiny", "nli", 1, "qa")

    def test_people_find_a_checkpoint_by_its_place_in_the_study(self, grid):
        """By a relative link, so that results and resources can be moved together."""
        link_checkpoint(grid, self.KEY)
        link = grid.paths.checkpoint_link(self.KEY)
        assert link.resolve() == grid.training(self.KEY).folder.resolve()
        assert not link.readlink().is_absolute()

    def test_a_link_to_another_checkpoint_is_replaced(self, grid):
        """After the study was edited; nothing else is left in the folder."""
        link = grid.paths.checkpoint_link(self.KEY)
        link.parent.mkdir(parents=True)
        link.symlink_to("old")
        link_checkpoint(grid, self.KEY)
        link_checkpoint(grid, self.KEY)
        assert link.resolve() == grid.training(self.KEY).folder.resolve()
        assert [path.name for path in link.parent.iterdir()] == [link.name]


def test_the_log_says_how_many_examples_there_are_and_what_was_not_read(tmp_path):
    """As the stamp records it."""
    stamp = tmp_path / "sw.json"
    outcomes = {"rows": 2_000, "remarks": {"row left out: it has no tokens": 1_204}}
    write_stamp(stamp, spec="x", inputs={}, files=[], outcomes=outcomes)
    assert list(prepared_lines(stamp)) == [
        "prepared, 2,000 examples",
        "1,204 x row left out: it has no tokens",
    ]
