"""What is trained and evaluated, in which order, and what each of these reads."""

from __future__ import annotations

import pytest

from support.world import CARDS
from xstilts.grid.dependencies import Dependencies
from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, ExamplesKey, TrainingKey

RECIPE = TrainingKey("tiny", "nli", 1, "qa")
START = TrainingKey("tiny", "nli", 1, INTERMEDIATE)


@pytest.fixture
def dependencies(world):
    """Dependencies of the world's study with other values for some keys."""

    def of(**changes):
        return Dependencies(world.resolve(**changes))

    return of


def test_no_file_is_read(dependencies, world):
    """A resolved study holds all that decides them."""
    resolved = world.resolve()
    for path in sorted(world.config.rglob("*.*")):
        path.unlink()
    assert len(Dependencies(resolved).trainings()) == 22


class TestTrainings:
    def test_each_has_one_key(self, dependencies):
        """2 seeds; two recipes in each of 4 conditions, and 3 first stages."""
        trainings = dependencies().trainings()
        assert len(trainings) == len(set(trainings)) == 2 * (4 * 2 + 3)

    def test_each_condition_has_its_own_seeds(self, dependencies):
        """2 recipes of the baseline with 3 seeds, of the others with 1, and 3 first stages."""
        trainings = dependencies(seeds={"default": [1], "none": [1, 2, 7]}).trainings()
        assert len(trainings) == len(set(trainings)) == 3 * 2 + 3 * (2 + 1)
        assert {key.condition for key in trainings if key.seed == 7} == {"none"}

    def test_each_comes_after_what_it_starts_from(self, dependencies, world):
        """Also in a recipe of two stages."""
        world.change_card("qa", follows="qa_part")
        reads = dependencies()
        trainings = reads.trainings()
        for place, key in enumerate(trainings):
            before = reads.training_before(key)
            assert before is None or before in trainings[:place]

    def test_the_baseline_starts_from_the_encoder(self, dependencies):
        """Every other condition's recipe starts from its intermediate checkpoint."""
        reads = dependencies()
        assert reads.training_before(TrainingKey("tiny", "none", 1, "qa")) is None
        assert reads.training_before(START) is None
        assert reads.training_before(RECIPE) == START

    def test_the_second_stage_of_a_recipe_continues_the_first(self, dependencies, world):
        """With its weights and its head."""
        world.change_card("qa", follows="qa_part")
        reads = dependencies()
        assert reads.training_before(RECIPE) == RECIPE._replace(stage="qa_part")
        assert reads.head_from("qa") == "qa_part"
        assert reads.head_from(INTERMEDIATE) is None


class TestEvaluations:
    def test_each_target_is_scored_on_every_checkpoint(self, dependencies):
        """4 conditions, 2 seeds, 3 targets; languages are no part of the key."""
        evaluations = dependencies().evaluations()
        assert len(evaluations) == len(set(evaluations)) == 4 * 2 * 3
        assert evaluations[0] == EvaluationKey("tiny", "none", 1, "xnli")

    def test_each_condition_is_scored_with_its_own_seeds(self, dependencies):
        """Every evaluation is of a training that there is."""
        reads = dependencies(seeds={"default": [1], "none": [1, 2, 7]})
        evaluated = [reads.evaluated_training(key) for key in reads.evaluations()]
        assert len(evaluated) == (3 + 3) * 3
        assert {key for key in evaluated if key} <= set(reads.trainings())

    def test_a_target_is_scored_on_the_checkpoint_of_its_recipe(self, dependencies):
        """Of the same condition and seed."""
        key = EvaluationKey("tiny", "nli", 1, "xqa")
        assert dependencies().evaluated_training(key) == RECIPE

    def test_retrieval_is_read_from_the_intermediate_checkpoint(self, dependencies):
        """In the baseline, from the encoder itself."""
        reads = dependencies()
        key = EvaluationKey("tiny", "nli", 1, "pairs")
        assert reads.evaluated_training(key) == START
        assert reads.evaluated_training(key._replace(condition="none")) is None

    def test_a_target_is_read_as_its_recipe(self, dependencies):
        """Retrieval has no head, so it is read as itself."""
        reads = dependencies()
        assert reads.read_as("xnli") == "nli"
        assert reads.read_as("pairs") == "pairs"

    def test_a_scorer_that_is_tuned_reads_a_second_split(self, dependencies, world):
        """In the role that scores name in their inputs."""
        test = CARDS["pairs"]["splits"]["test"]
        world.change_card(
            "pairs", scorer="bucc", primary="f1", tuned_on="dev", splits={"test": test, "dev": test}
        )
        reads = dependencies()
        assert reads.splits_read("pairs") == ["test", "dev"]
        assert reads.score_inputs("pairs", "sw") == {
            "examples": ExamplesKey("pairs", "test", "sw"),
            "tuning": ExamplesKey("pairs", "dev", "sw"),
        }
        assert reads.score_inputs("xqa", "sw") == {"examples": ExamplesKey("xqa", "test", "sw")}


class TestExamples:
    def test_they_are_those_that_are_read(self, dependencies):
        """English training sets of tasks and recipes, test sets in the chosen languages."""
        assert dependencies(languages=["de"]).needed_examples() == [
            ("nli", "train", ["en"]),
            ("choice", "train", ["en"]),
            ("qa", "train", ["en"]),
            ("xnli", "test", ["de"]),
            ("xqa", "test", ["de"]),
            ("pairs", "test", ["de"]),
        ]

    def test_those_of_a_split_are_named_one_by_one(self, dependencies):
        """A key for each language."""
        found = dependencies(languages=["de"], targets=["xnli"]).examples_of_split("test")
        assert found == [ExamplesKey("xnli", "test", "de")]

    def test_a_task_of_many_languages_is_trained_in_english(self, dependencies):
        """Zero-shot means: trained in English, also where English is not listed first."""
        reads = dependencies(conditions=["none", "news"])
        assert ("news", "train", ["en"]) in reads.needed_examples()
        assert reads.examples_of_training("news", INTERMEDIATE) == [
            ExamplesKey("news", "train", "en")
        ]
