"""A study that its cards cannot serve is answered by one line for each problem."""

from __future__ import annotations

import pytest

from support.world import task_card

TASKS = "choice, news, nli, pairs, qa, qa_part, topic, xnli, xqa"


class TestProblems:
    """Each names the file, the key and what is allowed."""

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

    def test_an_unknown_pair_that_is_known_to_be_apart(self, world):
        """Both sides are names of the study's cards."""
        assert world.problem(known_apart={"nlu": ["xqa"]}).startswith(
            "study.yaml: known_apart[0]: unknown task 'nlu'; did you mean 'nli'?"
        )
        assert world.problem(known_apart={"nli": ["xqq"]}).startswith(
            "study.yaml: known_apart.nli[0]: unknown target 'xqq'; did you mean 'xqa'?"
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

    def test_an_unknown_target_of_a_limit(self, world):
        """Limits of examples can be given by target."""
        assert world.problem(evaluation={"max_examples": {"xqua": 10}}) == (
            "study.yaml: evaluation.max_examples: unknown target 'xqua'; did you mean 'xqa'? "
            "Allowed: default, pairs, xnli, xqa"
        )

    def test_seeds_of_an_unknown_condition(self, world):
        """A misspelled condition would silently have the default seeds."""
        assert world.problem(seeds={"default": [1], "non": [1, 2]}) == (
            "study.yaml: seeds: unknown condition 'non'; did you mean 'none'? "
            "Allowed: choice, default, multi, nli, none"
        )

    def test_a_condition_without_seeds(self, world):
        """Named, if there is no default for it."""
        assert world.problem(seeds={"none": [1, 2], "nli": [1]}) == (
            "study.yaml: seeds: names none for choice, multi; add them, or the key 'default'"
        )

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
        """Both reasons are given."""
        assert world.problems(targets=["qa"]) == [
            "study.yaml: targets: 'qa' has no test split to score",
            "study.yaml: targets: card 'qa' names no recipe to fine-tune on",
        ]

    def test_a_recipe_of_another_task_type(self, world):
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

    def test_a_recipe_whose_labels_the_scorer_confuses_with_the_targets(self, world):
        """Both are scored: the target's are gold, the recipe's are predicted."""
        kind = ("tagging", "token_lines", "span_f1", "f1")
        target, recipe = ["O", "B-per"], ["O", "B-per", "B-deriv-per"]
        split = {"train": ["en"]}
        world.write("tasks", task_card("names", kind, split, labels=recipe, scorer="seqeval"))
        test = {"test": ["en", "de"]}
        world.write("tasks", task_card("people", kind, test, labels=target, recipe="names"))
        assert world.problem(targets=["people"]) == (
            "study.yaml: targets: 'people' after 'names': scorer: span_f1 has one type 'per' for "
            "'B-per' and 'B-deriv-per'; seqeval tells them apart"
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

    def test_a_slip_in_a_card_is_reported_for_the_card(self, world):
        """Not by the study, which is fine."""
        world.change_card("nli", licence=None)
        assert world.problem() == (
            f"{world.config}/tasks/nli.yaml: licence: Input should be a valid string, not None"
        )

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
