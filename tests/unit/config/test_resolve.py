"""What a study and its cards say together: the grid as plain questions and answers."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.places import STUDIES
from support.world import ALL, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.resolve import ScoreKey, resolve
from xstilts.config.yaml_models import read_yaml
from xstilts.grid.keys import TrainingKey
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.tasks.registry import SCHEMAS

TASKS = "choice, news, nli, pairs, qa, qa_part, topic, xnli, xqa"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid(path):
    """Ready to run."""
    assert resolve(read_yaml(path), str(path), Catalogue(ROOT / "config", SCHEMAS)).score_keys()


class TestLanguages:
    """all, low_resource, a list, or these by target."""

    def test_all_is_the_default(self, world):
        """Every language that a target's card has, whether its resources are known or not."""
        assert world.resolve().languages == {
            "xnli": ALL,
            "xqa": ["en", "de", "sw", "no"],
            "pairs": ["de", "sw"],
        }

    def test_low_resource_is_joshi_0_to_2(self, world):
        """A language whose class is not known is not counted among them."""
        assert world.resolve(languages="low_resource").languages == {
            "xnli": ["sw", "yo"],
            "xqa": ["sw", "no"],
            "pairs": ["sw"],
        }

    def test_a_list_chooses_where_it_can(self, world):
        """In the card's order, not the list's."""
        chosen = world.resolve(languages=["yo", "sw", "en"]).languages
        assert chosen == {"xnli": ["en", "sw", "yo"], "xqa": ["en", "sw"], "pairs": ["sw"]}

    def test_a_target_can_choose_for_itself(self, world):
        """The others take the default, or all."""
        languages = {"xqa": ["de"], "pairs": "low_resource"}
        assert world.resolve(languages=languages).languages == {
            "xnli": ALL,
            "xqa": ["de"],
            "pairs": ["sw"],
        }
        chosen = world.resolve(languages=languages | {"default": ["en"]}).languages
        assert chosen["xnli"] == ["en"]


class TestGridOfQuestions:
    def test_cells_are_all_combinations(self, world):
        """Every encoder, condition, seed, target and language of the target, once."""
        cells = world.resolve(encoders=["tiny", "other"]).score_keys()
        assert len(cells) == 2 * 4 * 2 * (5 + 4 + 2) == len(set(cells))
        assert cells[0] == ScoreKey("tiny", "none", 1, "xnli", "en")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
    @given(st.data())
    def test_a_part_of_a_study_is_a_part_of_its_cells(self, world, data):
        """Leaving something out of a study adds nothing."""
        whole = set(world.resolve(conditions=["none", "nli", "choice"]).score_keys())
        subset = {
            "conditions": ["none", *data.draw(st.sets(st.sampled_from(["nli", "choice"])))],
            "targets": list(data.draw(st.sets(st.sampled_from(["xnli", "xqa"]), min_size=1))),
            "seeds": list(data.draw(st.sets(st.sampled_from([1, 2]), min_size=1))),
            "languages": list(data.draw(st.sets(st.sampled_from(ALL[1:3]), min_size=1))),
        }
        assert set(world.resolve(**subset).score_keys()) <= whole

    def test_recipes_are_shared(self, world):
        """Targets of one recipe are fine-tuned once."""
        world.change_card("xqa", task="xqa2")
        assert world.resolve(targets=["xqa", "xqa2", "xnli"]).recipes() == ["qa", "nli"]

    def test_a_recipe_can_be_replaced(self, world):
        """For every target that names it."""
        resolved = world.resolve(recipes={"qa": "qa_part"})
        assert resolved.recipe_of("xqa") == "qa_part"
        assert resolved.recipes() == ["nli", "qa_part"]

    def test_a_target_is_read_from_its_recipe(self, world):
        """Retrieval has none: it is read from the intermediate checkpoint."""
        resolved = world.resolve()
        assert [resolved.stage_of(t) for t in resolved.targets] == ["nli", "qa", "intermediate"]
        assert resolved.recipe_of("pairs") is None

    def test_conditions_are_made_of_tasks(self, world):
        """None of no task, multi of all single ones, in whatever order they are listed."""
        tasks = {c.name: c.tasks for c in world.resolve().conditions.values()}
        assert tasks == {
            "none": (),
            "nli": ("nli",),
            "choice": ("choice",),
            "multi": ("choice", "nli"),
        }


class TestSeeds:
    def test_a_list_is_for_every_condition(self, world):
        """Each has all of them."""
        study = world.resolve(seeds=[3, 1]).study
        assert [study.seeds_of(name) for name in study.conditions] == [[3, 1]] * 4
        assert study.all_seeds() == [3, 1]

    def test_conditions_can_have_seeds_of_their_own(self, world):
        """The key ``default`` is for the others."""
        study = world.resolve(seeds={"default": [1, 2], "none": [1, 2, 5], "nli": [9]}).study
        assert study.seeds_of("none") == [1, 2, 5]
        assert study.seeds_of("nli") == [9]
        assert study.seeds_of("choice") == study.seeds_of("multi") == [1, 2]
        assert study.all_seeds() == [1, 2, 5, 9]

    def test_scores_have_the_seeds_of_their_condition(self, world):
        """Every target and language of them."""
        resolved = world.resolve(seeds={"default": [1], "none": [1, 2, 3]})
        found = {(key.condition, key.seed) for key in resolved.score_keys()}
        assert found == {("none", 1), ("none", 2), ("none", 3)} | {
            (name, 1) for name in ("nli", "choice", "multi")
        }

    def test_no_default_is_needed_where_every_condition_is_named(self, world):
        """Then there are no others."""
        seeds = {"none": [1, 2], "nli": [1]}
        assert world.resolve(conditions=["none", "nli"], seeds=seeds).study.seeds_of("nli") == [1]


class TestHyperparameters:
    """The narrower scope wins: defaults < card < all < stage < task."""

    @pytest.mark.parametrize(
        ("training", "intermediate", "recipe"),
        [
            ({}, 5.0, 5.0),
            ({"all": {"epochs": 7}}, 7.0, 7.0),
            ({"all": {"epochs": 7}, "recipe": {"epochs": 8}}, 7.0, 8.0),
            ({"all": {"epochs": 7}, "intermediate": {"epochs": 8}}, 8.0, 7.0),
            ({"recipe": {"epochs": 8}, "tasks": {"nli": {"epochs": 9}}}, 9.0, 9.0),
            ({"recipe": {"epochs": 8}, "tasks": {"qa": {"epochs": 9}}}, 5.0, 8.0),
            ({"all": {"epochs": 3}}, 3.0, 3.0),
        ],
    )
    def test_precedence(self, world, training, intermediate, recipe):
        """Also where a scope writes out the default, 3."""
        world.change_card("nli", training={"epochs": 5.0})
        resolved = world.resolve(training=training)
        assert resolved.hyperparameters("nli", "intermediate").epochs == intermediate
        assert resolved.hyperparameters("nli", "recipe").epochs == recipe

    def test_scopes_add_up(self, world):
        """Each sets what it names; the rest is jiant's defaults."""
        world.change_card("nli", training={"max_length": 64})
        training = {"all": {"epochs": 1}, "tasks": {"nli": {"batch_size": 4}}}
        assert world.resolve(training=training).hyperparameters("nli", "recipe") == (
            Hyperparameters(epochs=1, batch_size=4, max_length=64)
        )

    def test_limits_of_examples_go_by_target(self, world):
        """A number for all, or numbers by target with a default."""
        study = world.resolve(evaluation={"max_examples": {"xqa": 5, "default": 9}}).study
        assert study.evaluation.limit("xqa") == 5
        assert study.evaluation.limit("xnli") == 9
        assert world.resolve().study.evaluation.limit("xnli") is None


class TestCardsOfOnesOwn:
    """A study may name a folder of cards in place of the project's."""

    def test_they_replace_the_projects(self, world, tmp_path):
        """Also in the frozen copy, where the folder is not asked again."""
        own = tmp_path / "own"
        shutil.copytree(world.config, own)
        (own / "tasks/nli.yaml").rename(own / "tasks/mine.yaml")
        (own / "tasks/mine.yaml").write_text(
            (own / "tasks/mine.yaml").read_text().replace("task: nli", "task: mine")
        )
        grid = world.grid(conditions=["none", "mine"], targets=["xqa"], cards=str(own))
        assert grid.cards.folder == own
        path = save_snapshot(grid)
        shutil.rmtree(own)
        thawed = load_snapshot(path)
        assert thawed.training(TrainingKey("tiny", "mine", 1, "qa")).digest == (
            grid.training(TrainingKey("tiny", "mine", 1, "qa")).digest
        )

    def test_a_folder_without_cards_is_refused(self, world, tmp_path):
        """By what it lacks."""
        (tmp_path / "own/tasks").mkdir(parents=True)
        assert world.problem(cards=str(tmp_path / "own")) == (
            f"study.yaml: cards: '{tmp_path}/own' has no encoders, languages.tsv"
        )
