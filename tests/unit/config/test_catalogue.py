"""Cards are found by name in a folder."""

from __future__ import annotations

import pytest

from support.world import SQUAD, task_card
from xstilts.config.catalogue import Catalogue
from xstilts.errors import StudyError
from xstilts.tasks.registry import SCHEMAS


class TestCatalogue:
    def test_a_card_has_the_name_of_its_file(self, world):
        """A copy whose name was not changed inside would be confused with its original."""
        world.change_card("qa", task="nli")
        (world.config / "tasks" / "nli.yaml").rename(world.config / "tasks" / "mnli.yaml")
        with pytest.raises(StudyError, match=r"mnli\.yaml: task: is 'nli'; must be 'mnli'"):
            world.cards.task("mnli")

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_a_language_that_the_scorer_has_no_rule_for_is_refused(self, world, split):
        """Before a model answers questions that nothing can score."""
        card = task_card("xqa", SQUAD, {"train": ["no"], split: ["en", "de", "sw", "no"]})
        world.write("tasks", card | {"scorer": "mlqa"})
        with pytest.raises(StudyError) as caught:
            world.cards.task("xqa")
        assert str(caught.value) == (
            f"{world.config}/tasks/xqa.yaml: scorer: 'mlqa' has no rule for sw, no "
            f"(splits.{split}); it has rules for ar, de, en, es, hi, vi, zh"
        )

    def test_a_language_without_a_row_in_the_table_is_refused(self, world):
        """Nothing would be known of it, and the report would not say so."""
        world.write("tasks", task_card("xqa", SQUAD, {"train": ["en"], "test": ["en", "bbc"]}))
        with pytest.raises(StudyError, match=r"languages: 'bbc' has no row in .*languages\.tsv"):
            world.cards.task("xqa")

    def test_a_code_that_leaves_the_folder_of_raw_files_is_refused(self, world):
        """With its split and language."""
        world.change_card("xqa", codes={"sw": "../../sw"})
        with pytest.raises(StudyError, match=r"splits\.test: sw: .*must stay inside"):
            world.cards.task("xqa")

    def test_an_option_that_the_reader_does_not_have_is_refused(self, world):
        """Where the cards are read for a run, a plan or a check."""
        cards = Catalogue(world.config, SCHEMAS, lambda source, _: [f"{source.reader}: no"])
        with pytest.raises(StudyError, match=r"qa\.yaml: splits\.train: squad_json: no"):
            cards.task("qa")

    def test_only_what_is_scored_needs_a_rule(self, world):
        """Training examples may be in any language, and SQuAD's rule is one for all."""
        splits = {"train": ["en", "no"], "test": ["en", "de"]}
        world.write("tasks", task_card("xqa", SQUAD, splits) | {"scorer": "mlqa"})
        assert world.cards.task("xqa").scorer == "mlqa"
        world.change_card("xqa")
        assert "no" in world.cards.task("xqa").split_languages("test")

    def test_an_unknown_card_is_an_error(self, world):
        """With the cards that there are."""
        with pytest.raises(StudyError, match=r"unknown encoder 'tinny'; did you mean 'tiny'\?"):
            world.cards.encoder("tinny")

    def test_an_unknown_task_type_is_an_error(self, world):
        """With the types that there are."""
        world.change_card("xnli", task_type="clasification")
        with pytest.raises(
            StudyError,
            match=r"xnli\.yaml: task_type: unknown task type 'clasification'; "
            r"did you mean 'classification'\?",
        ):
            world.cards.task("xnli")

    def test_classes_need_names(self, world):
        """A head has one output for each."""
        world.change_card("xnli", labels=None)
        with pytest.raises(
            StudyError, match=r"xnli\.yaml: labels: a classification task needs them"
        ):
            world.cards.task("xnli")

    @pytest.mark.parametrize(
        ("key", "problem"),
        [
            ("scorer", "unknown scorer 'f1'. Allowed: accuracy"),
            ("primary", "unknown metric 'f1'. Allowed: accuracy"),
        ],
    )
    def test_a_task_is_scored_as_its_type_can_be(self, key, problem, world):
        """Found when the card is read, not after the forward passes."""
        world.change_card("xnli", **{key: "f1"})
        with pytest.raises(StudyError, match=rf"xnli\.yaml: {key}: {problem}"):
            world.cards.task("xnli")

    def test_labels_that_the_scorer_confuses_are_refused(self, world):
        """Swapped types would count as right."""
        kind = ("tagging", "token_lines", "span_f1", "f1")
        labels = ["O", "B-person-other", "B-place-other"]
        world.write("tasks", task_card("names", kind, {"train": ["en"]}, labels=labels))
        with pytest.raises(
            StudyError, match=r"names\.yaml: scorer: span_f1 has one type 'other' for"
        ):
            world.cards.task("names")

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path):
        """A catalogue of a folder that does not exist is empty."""
        from xstilts.config.catalogue import Catalogue

        assert Catalogue(tmp_path / "nowhere", SCHEMAS).tasks == []
