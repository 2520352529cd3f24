"""The study file: what may be written in it, what it means, and how a slip is answered."""

from __future__ import annotations

import shutil

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.world import ALL, ROOT
from xstilts.config.catalogue import Catalogue
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.resolve import Cell, resolve
from xstilts.config.yaml_models import read_yaml
from xstilts.errors import StudyError
from xstilts.grid.snapshot import load_snapshot, save_snapshot
from xstilts.tasks.registry import SCHEMAS

STUDIES = sorted((ROOT / "config").glob("*.yaml"))
TASKS = "choice, news, nli, pairs, qa, qa_part, topic, xnli, xqa"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid(path):
    """Ready to run."""
    assert resolve(read_yaml(path), str(path), Catalogue(ROOT / "config", SCHEMAS)).cells()


class TestSlips:
    """Bad input gets one clear line that names the file, the key and what is allowed."""

    def test_an_unknown_encoder(self, world):
        """The nearest name is offered."""
        assert world.problem(encoders=["tinny"]) == (
            "study.yaml: encoders[0]: unknown encoder 'tinny'; did you mean 'tiny'? "
            "Allowed: other, tiny"
        )

    def test_an_unknown_condition(self, world):
        """A condition is none, multi or a task."""
        assert world.problem(conditions=["none", "choise"]) == (
            "study.yaml: conditions[1]: unknown condition 'choise'; did you mean 'choice'? "
            "Allowed: choice, multi, news, nli, none, pairs, qa, qa_part, topic, xnli, xqa"
        )

    def test_an_unknown_target(self, world):
        """A target is a task."""
        assert world.problem(targets=["xnlu"]) == (
            f"study.yaml: targets[0]: unknown target 'xnlu'; did you mean 'xnli'? Allowed: {TASKS}"
        )

    def test_an_unknown_task_in_training(self, world):
        """Its hyperparameters would never be used."""
        assert world.problem(training={"tasks": {"nlu": {"epochs": 1}}}) == (
            f"study.yaml: training.tasks[0]: unknown task 'nlu'; did you mean 'nli'? "
            f"Allowed: {TASKS}"
        )

    def test_an_unknown_language(self, world):
        """The languages of the targets are offered."""
        assert world.problem(languages=["de", "zz"]) == (
            "study.yaml: languages[1]: unknown language 'zz'. Allowed: de, en, mis, no, sw, yo"
        )

    def test_an_unknown_language_of_one_target(self, world):
        """The languages of that target are offered."""
        assert world.problem(languages={"pairs": ["yo"]}) == (
            "study.yaml: languages.pairs[0]: unknown language 'yo'. Allowed: de, sw"
        )

    def test_an_unknown_target_in_languages(self, world):
        """A target that is not in the study has no languages to choose."""
        assert world.problem(languages={"xqq": "all"}) == (
            "study.yaml: languages.xqq: unknown target 'xqq'; did you mean 'xqa'? "
            "Allowed: default, pairs, xnli, xqa"
        )

    def test_an_unknown_word_for_languages(self, world):
        """One line, whatever the kinds of values that are allowed."""
        allowed = "is neither all, nor low_resource, nor a list of codes"
        assert world.problem(languages="lowres") == f"study.yaml: languages: 'lowres' {allowed}"
        assert world.problem(languages=7) == f"study.yaml: languages: 7 {allowed}"
        assert world.problem(languages={"xqa": "low"}) == (
            f"study.yaml: languages.xqa: 'low' {allowed}"
        )

    def test_an_unknown_target_of_a_limit(self, world):
        """Limits of examples can be given by target."""
        assert world.problem(evaluation={"max_examples": {"xqua": 10}}) == (
            "study.yaml: evaluation.max_examples: unknown target 'xqua'; did you mean 'xqa'? "
            "Allowed: default, pairs, xnli, xqa"
        )

    def test_a_misspelled_key(self, world):
        """At the top."""
        assert world.problem(condition=["none"], conditions=["none"]) == (
            "study.yaml: condition: unknown key 'condition'; did you mean 'conditions'? Allowed: "
            "cards, compute, conditions, encoders, evaluation, languages, mirror, mlm, multi, "
            "recipes, resources, results, seeds, store, study, targets, training"
        )

    @pytest.mark.parametrize("scope", ["all", "intermediate", "recipe"])
    def test_a_misspelled_key_inside(self, world, scope):
        """In every scope of the hyperparameters."""
        line = world.problem(training={scope: {"learning_rte": 0.1}})
        assert line.startswith(
            f"study.yaml: training.{scope}.learning_rte: unknown key 'learning_rte'; "
            "did you mean 'learning_rate'? Allowed: adam_epsilon, batch_size, "
        )

    def test_a_misspelled_key_of_a_task(self, world):
        """The key is the whole way to it."""
        line = world.problem(training={"tasks": {"nli": {"epoch": 1}}})
        assert line.startswith(
            "study.yaml: training.tasks.nli.epoch: unknown key 'epoch'; did you mean 'epochs'?"
        )

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"seeds": 1}, "seeds: Input should be a valid list, not 1"),
            ({"seeds": ["1"]}, "seeds[0]: Input should be a valid integer, not '1'"),
            ({"seeds": [True]}, "seeds[0]: Input should be a valid integer, not True"),
            ({"seeds": [-1]}, "seeds[0]: Input should be greater than or equal to 0, not -1"),
            ({"targets": "xqa"}, "targets: Input should be a valid list, not 'xqa'"),
            ({"targets": [None]}, "targets[0]: Input should be a valid string, not None"),
            ({"training": [1]}, "training: must be a mapping of keys, not [1]"),
            ({"multi": {"cap": 1.5}}, "multi.cap: Input should be a valid integer, not 1.5"),
            (
                {"compute": {"precision": "fp16"}},
                "compute.precision: Input should be 'fp32', 'bf16' or 'auto', not 'fp16'",
            ),
            (
                {"evaluation": {"max_examples": {"xqa": "ten"}}},
                "evaluation.max_examples.xqa: Input should be a valid integer, not 'ten'",
            ),
            (
                {"evaluation": {"max_examples": 0}},
                "evaluation.max_examples: Input should be greater than 0, not 0",
            ),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_a_value_of_a_wrong_type(self, world, changes, problem):
        """What is allowed, and what was given."""
        assert world.problem(**changes) == f"study.yaml: {problem}"

    def test_a_missing_key(self, world):
        """With what it is for."""
        assert world.problem(encoders=...) == (
            "study.yaml: encoders: is missing; it is: cards in config/encoders/"
        )

    @pytest.mark.parametrize("name", ["a/b", "", ".hidden", "a b", "a\n", "ä", "x" * 65, "x" * 300])
    def test_a_name_that_cannot_be_a_folder(self, world, name):
        """The study's name becomes a folder of the results."""
        line = world.problem(study=name)
        assert line.startswith("study.yaml: study: ")
        assert line.endswith(
            " cannot name a folder of results; use at most 64 letters, digits, '_', '.' and '-', "
            "the first a letter or digit"
        )
        assert len(line) < 200

    def test_the_longest_name(self, world):
        """As the message promises."""
        assert world.resolve(study="x" * 64).study.study == "x" * 64

    def test_a_number_that_is_a_text(self, world):
        """YAML 1.1 reads 1e-5 so."""
        training = yaml.safe_load("all: {learning_rate: 1e-5}")
        assert world.problem(training=training) == (
            "study.yaml: training.all.learning_rate: '1e-5' is a text in YAML 1.1; "
            "write the number as 1.0e-05"
        )

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("languages: [de, no]", "languages[1]"),
            ("languages: {xqa: [no]}", "languages.xqa[0]"),
            ("conditions: [none, no]", "conditions[1]"),
            ("mirror: off", "mirror"),
        ],
    )
    def test_norwegian_that_is_false(self, world, text, key):
        """YAML 1.1 reads an unquoted no so; everywhere where a name is expected."""
        (line,) = world.problems(**yaml.safe_load(text))
        assert line.startswith(f"study.yaml: {key}: YAML 1.1 reads an unquoted yes, no, on or off")
        assert line.endswith("quote it (Norwegian is 'no')")

    def test_norwegian_in_quotes_is_fine(self, world):
        """The advice works."""
        chosen = world.resolve(languages=yaml.safe_load("{default: [de], xqa: ['no']}")).languages
        assert chosen["xqa"] == ["no"]

    @pytest.mark.parametrize("key", ["encoders", "conditions", "targets", "seeds"])
    def test_an_empty_list(self, world, key):
        """Would make an empty grid."""
        assert world.problem(**{key: []}) == f"study.yaml: {key}: must not be empty"

    def test_an_empty_choice_of_languages(self, world):
        """Each target that loses all its languages is named, with those that it has."""
        assert world.problem(languages={"pairs": []}) == (
            "study.yaml: languages: {'pairs': []} leaves no language for 'pairs', an empty grid; "
            "it has de, sw"
        )

    def test_a_choice_that_no_language_meets(self, world):
        """A list that suits one target may leave none of another."""
        assert world.problem(languages=["yo"], targets=["xnli", "pairs"]) == (
            "study.yaml: languages: ['yo'] leaves no language for 'pairs', an empty grid; "
            "it has de, sw"
        )

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"seeds": [1, 2, 1]}, "seeds: listed twice: 1"),
            ({"encoders": ["tiny", "tiny"]}, "encoders: listed twice: tiny"),
            ({"conditions": ["none", "nli", "nli"]}, "conditions: listed twice: nli"),
            ({"targets": ["xqa", "xqa"]}, "targets: listed twice: xqa"),
            ({"languages": ["de", "sw", "de"]}, "languages: listed twice: de"),
        ],
    )
    def test_what_is_listed_twice(self, world, changes, problem):
        """Would be computed once and counted twice."""
        assert world.problem(**changes) == f"study.yaml: {problem}"

    def test_a_missing_baseline(self, world):
        """Without it there is no gain."""
        assert world.problem(conditions=["nli"]) == (
            "study.yaml: conditions: needs 'none', the baseline of every gain"
        )

    @pytest.mark.parametrize(
        ("key", "value", "other"),
        [("weight_decay", 0.1, 0.01), ("adam_epsilon", 1e-6, 1e-8), ("patience", 3, 30)],
    )
    def test_multi_has_one_optimiser(self, world, key, value, other):
        """What is one for all of its tasks cannot differ by task."""
        conditions = ["none", "nli", "choice", "multi"]
        training = {"tasks": {"nli": {key: value}}}
        assert world.problem(conditions=conditions, training=training) == (
            f"study.yaml: training: the tasks of 'multi' are trained with one {key}, "
            f"not {value} for nli, {other} for choice: they must have the same"
        )
        world.grid(conditions=["none", "nli", "choice"], training=training)

    @pytest.mark.parametrize("conditions", [["none", "multi"], ["none", "multi", "nli"]])
    def test_multi_without_tasks(self, world, conditions):
        """It is all intermediate tasks of the study at once."""
        assert world.problem(conditions=conditions) == (
            "study.yaml: conditions: 'multi' needs at least two single tasks beside it"
        )

    def test_a_condition_that_cannot_be_trained(self, world):
        """A test set alone teaches nothing."""
        assert world.problem(conditions=["none", "xqa"]) == (
            "study.yaml: conditions: 'xqa' has no train split to fine-tune on"
        )

    def test_a_target_that_cannot_be_scored(self, world):
        """Both reasons are told."""
        assert world.problems(targets=["qa"]) == [
            "study.yaml: targets: 'qa' has no test split to score",
            "study.yaml: targets: card 'qa' names no recipe to fine-tune on",
        ]

    def test_a_recipe_of_another_format(self, world):
        """A head of one task type cannot answer another."""
        assert world.problem(recipes={"nli": "qa"}) == (
            "study.yaml: recipes.nli: 'qa' is span_qa, but 'xnli' is classification"
        )

    def test_a_recipe_with_other_labels(self, world):
        """It would never say what the target asks."""
        assert world.problem(recipes={"nli": "topic"}) == (
            "study.yaml: recipes.nli: 'topic' does not teach no, yes, labels of 'xnli'; "
            "it has sport, trade"
        )

    def test_a_recipe_without_training_data(self, world):
        """Of the same task type, but a test set."""
        assert world.problem(recipes={"qa": "xqa"}) == (
            "study.yaml: recipes.qa: 'xqa' has no train split to fine-tune on"
        )

    def test_an_unknown_recipe(self, world):
        """In the place of one that a target names."""
        assert world.problem(recipes={"qa": "qa_parts"}) == (
            "study.yaml: recipes.qa: 'xqa': unknown recipe 'qa_parts'; did you mean 'qa_part'? "
            f"Allowed: {TASKS}"
        )

    def test_a_recipe_that_no_target_has(self, world):
        """It would replace nothing, in silence."""
        assert world.problem(recipes={"qaa": "qa_part"}) == (
            "study.yaml: recipes: unknown recipe of a target 'qaa'; did you mean 'qa'? "
            "Allowed: nli, qa"
        )

    def test_a_slip_in_a_card_is_told_by_the_card(self, world):
        """Not by the study, which is fine."""
        world.change_card("nli", licence=None)
        assert world.problem() == (
            f"{world.config}/tasks/nli.yaml: licence: Input should be a valid string, not None"
        )

    def test_all_slips_of_form_come_at_once(self, world):
        """One line each, in the order of the file's schema."""
        lines = world.problems(seeds=[1, 1], conditions=["nli"], trainin={}, study=...)
        keys = [line.removeprefix("study.yaml: ").partition(":")[0] for line in lines]
        assert keys == ["study", "conditions", "seeds", "trainin"]

    def test_all_slips_of_sense_come_at_once(self, world):
        """One line each."""
        lines = world.problems(
            encoders=["tinny"],
            conditions=["none", "xqa", "multi"],
            targets=["xnli", "xqaa"],
            languages=["zz"],
            recipes={"nli": "qa"},
        )
        keys = [line.removeprefix("study.yaml: ").partition(":")[0] for line in lines]
        assert keys == [
            "encoders[0]",
            "targets[1]",
            "conditions",
            "recipes.nli",
            "conditions",
            "languages[0]",
        ]


class TestFolders:
    """The keys results, resources, mirror and cards."""

    @pytest.mark.parametrize("key", ["results", "resources", "mirror"])
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("~/x", "/home/me/x"),
            ("$HOME/x", "/home/me/x"),
            ("${HOME}/x", "/home/me/x"),
            ("./x", "./x"),
            ("a ~ $", "a ~ $"),
        ],
    )
    def test_home_and_variables_are_expanded(self, world, monkeypatch, key, written, meant):
        """As a shell would do for a path on the command line."""
        monkeypatch.setenv("HOME", "/home/me")
        assert getattr(world.resolve(**{key: written}).study, key) == meant

    def test_cards_may_lie_at_home(self, world, monkeypatch):
        """The folder is checked after its path is expanded."""
        monkeypatch.setenv("HOME", str(world.folder))
        assert world.resolve(cards="~/config").cards.folder == world.config

    def test_cards_in_a_folder_that_has_none(self, world):
        """What a folder of cards holds is listed."""
        assert world.problem(cards="nowhere") == (
            "study.yaml: cards: 'nowhere' has no tasks, encoders, languages.tsv"
        )

    @pytest.mark.parametrize(
        ("written", "problem"),
        [
            ("$NOT_SET_HERE/x", "the environment variable $NOT_SET_HERE is not set"),
            ("~nobody_of_this_name/x", "there is no such user; write the whole path"),
            ("a{b", "a path must not hold '{'; rename the folder"),
            ("{encoder}", "a path must not hold '{'; rename the folder"),
            ("a}", "a path must not hold '}'; rename the folder"),
            ("a\nb", "a path must not hold '\\n'; rename the folder"),
            ("x" * 256, "the name of a folder has at most 255 bytes"),
            (False, "quote it (Norwegian is 'no')"),
            ("", "must not be empty"),
        ],
    )
    @pytest.mark.parametrize("key", ["results", "resources", "mirror", "cards"])
    def test_a_path_that_cannot_be_used(self, world, key, written, problem):
        """Braces are wildcards of Snakemake."""
        line = world.problem(**{key: written})
        assert line.startswith(f"study.yaml: {key}: ")
        assert line.endswith(problem)


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

    def test_a_language_need_not_be_in_the_table(self, world):
        """Its resources are unknown then; a frozen study must allow what the study allowed."""
        world.change_card("pairs", languages=["de", "qqq"])
        card = yaml.safe_load((world.config / "tasks" / "pairs.yaml").read_text())
        card["splits"]["test"]["languages"] = ["de", "qqq"]
        world.write("tasks", card)
        assert world.resolve(languages={"pairs": ["qqq"]}).languages["pairs"] == ["qqq"]


class TestGridOfQuestions:
    def test_cells_are_all_combinations(self, world):
        """Every encoder, condition, seed, target and language of the target, once."""
        cells = world.resolve(encoders=["tiny", "other"]).cells()
        assert len(cells) == 2 * 4 * 2 * (5 + 4 + 2) == len(set(cells))
        assert cells[0] == Cell("tiny", "none", 1, "xnli", "en")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
    @given(st.data())
    def test_a_part_of_a_study_is_a_part_of_its_cells(self, world, data):
        """Leaving something out of a study adds nothing."""
        whole = set(world.resolve(conditions=["none", "nli", "choice"]).cells())
        subset = {
            "conditions": ["none", *data.draw(st.sets(st.sampled_from(["nli", "choice"])))],
            "targets": list(data.draw(st.sets(st.sampled_from(["xnli", "xqa"]), min_size=1))),
            "seeds": list(data.draw(st.sets(st.sampled_from([1, 2]), min_size=1))),
            "languages": list(data.draw(st.sets(st.sampled_from(ALL[1:3]), min_size=1))),
        }
        assert set(world.resolve(**subset).cells()) <= whole

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


def test_a_study_is_a_mapping(world):
    """An empty file is not."""
    with pytest.raises(StudyError, match=r"study\.yaml: must be a mapping of keys, not NoneType"):
        resolve(None, "study.yaml", world.cards)


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
        assert thawed.training("tiny", "mine", 1, "qa").digest == (
            grid.training("tiny", "mine", 1, "qa").digest
        )

    def test_a_folder_that_holds_no_cards_is_told(self, world, tmp_path):
        """By what it lacks."""
        (tmp_path / "own/tasks").mkdir(parents=True)
        assert world.problem(cards=str(tmp_path / "own")) == (
            f"study.yaml: cards: '{tmp_path}/own' has no encoders, languages.tsv"
        )
