"""A task card says everything about its task once."""

from __future__ import annotations

from copy import deepcopy

import pytest
import yaml

from support.world import CARDS, PROSE, refused
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load
from xstilts.errors import StudyError


class TestTaskCards:
    def card(self, name="xnli", **changes):
        return deepcopy(CARDS[name]) | changes

    def test_all_problems_come_at_once(self):
        """One line each: file, key, what is allowed."""
        card = self.card(task_type=3, licence=3, sumary="x")
        del card["citation"]
        assert refused(TaskCard, card) == [
            "card.yaml: task_type: Input should be a valid string, not 3",
            "card.yaml: licence: Input should be a valid string, not 3",
            "card.yaml: citation: is missing",
            "card.yaml: sumary: unknown key 'sumary'; did you mean 'summary'? Allowed: chance, "
            "citation, codes, follows, labels, labels_not_in_training, languages, licence, parts, "
            "primary, recipe, scorer, splits, summary, task, task_type, title, training, "
            "training_source, tuned_on",
        ]

    def test_a_slip_deep_inside_is_found(self):
        """The key is the whole way to it."""
        card = self.card()
        card["splits"]["test"]["files"]["data"]["ulr"] = "x"
        (line,) = refused(TaskCard, card)
        assert line.startswith(
            "card.yaml: splits.test.files.data.ulr: unknown key 'ulr'; did you mean 'url'?"
        )

    @pytest.mark.parametrize(
        ("key", "values"),
        [
            ("languages", ["en", "de", "en"]),
            ("labels", ["entailment", "neutral", "entailment"]),
            ("labels_not_in_training", ["neutral", "neutral"]),
            ("parts", ["nli", "nli"]),
        ],
    )
    def test_a_name_that_is_listed_twice_is_refused(self, key, values):
        """A language would be scored twice, a label have two outputs of the head."""
        (line,) = refused(TaskCard, self.card(**{key: values}))
        assert line.startswith(f"card.yaml: {key}: listed twice: ")

    @pytest.mark.parametrize(
        ("code", "problem"),
        [
            ("../de", "must stay inside its folder"),
            ("{code}", "must not hold"),
            ("de\n", "is not allowed"),
            ("d" * 300, "a name has at most 200 bytes"),
        ],
    )
    def test_a_code_that_gives_no_path_is_refused(self, code, problem):
        """It would leave the folder of raw files, or be found when the job runs."""
        split = {"reader": "jsonl_rows", "files": {"data": {"path": "x/{code}", "mirror": "m"}}}
        card = self.card(languages=["de"], codes={"de": code}, splits={"test": split})
        (line,) = refused(TaskCard, card)
        assert line.startswith("card.yaml: splits.test: de: ")
        assert f"the code {code!r:.80}" in line
        assert problem in line

    def test_norwegian_is_not_false(self):
        """``languages: [de, no]`` in YAML 1.1 is a list of a text and a truth value."""
        (line,) = refused(TaskCard, self.card(languages=yaml.safe_load("[de, no]")))
        assert line == (
            "card.yaml: languages[1]: YAML 1.1 reads an unquoted yes, no, on or off as False; "
            "quote it (Norwegian is 'no')"
        )

    def test_training_is_in_english(self):
        """Also where English is not the first language of a training set (SIB-200)."""
        assert load(TaskCard, self.card("news"), "card.yaml").training_language == "en"

    def test_a_task_without_english_trains_in_its_first_language(self):
        """KorNLI has Korean only."""
        card = self.card("nli", languages=["ko"])
        card["splits"]["train"]["languages"] = ["ko"]
        assert load(TaskCard, card, "card.yaml").training_language == "ko"

    def test_a_path_is_filled_in_with_language_and_code(self):
        """``{code}`` is the task's own code; ``{folder}`` and ``{name}`` are its parts."""
        made = load(TaskCard, self.card(codes={"de": "x/ger"}), "card.yaml")
        assert made.raw_files("test", "de")["data"].path == "xnli/test.x/ger.txt"
        assert made.raw_files("test", "sw")["data"].path == "xnli/test.sw.txt"

    def test_a_language_of_several_codes_has_the_files_of_each(self):
        """XTREME joins all treebanks of a language."""
        made = load(TaskCard, self.card(codes={"de": ["gsd", "pud"]}), "card.yaml")
        paths = {part: file.path for part, file in made.raw_files("test", "de").items()}
        assert paths == {"data.0": "xnli/test.gsd.txt", "data.1": "xnli/test.pud.txt"}

    def test_a_split_may_have_codes_of_its_own(self):
        """Some treebanks are for testing only."""
        card = self.card(codes={"de": ["gsd", "pud"]})
        card["splits"]["test"]["codes"] = {"de": "gsd"}
        made = load(TaskCard, card, "card.yaml")
        assert [file.path for file in made.raw_files("test", "de").values()] == [
            "xnli/test.gsd.txt"
        ]

    def test_labels_are_listed_or_taken_from_the_data(self):
        """The labels of a licensed corpus cannot be listed here."""
        assert load(TaskCard, self.card(labels="from_data"), "card.yaml").label_list == []
        (line,) = refused(TaskCard, self.card(labels="from_dat"))
        assert line == "card.yaml: labels: 'from_dat' is neither a list of labels nor from_data"

    def test_an_unknown_split_is_an_error(self):
        """With the splits that there are."""
        with pytest.raises(StudyError, match=r"task 'xnli': unknown split 'train'.* Allowed: test"):
            load(TaskCard, self.card(), "x").split_languages("train")

    def test_options_say_the_same_frozen_and_fresh(self):
        """Keys are texts, as in JSON: else a frozen card would be another card."""
        card = self.card()
        card["splits"]["test"]["options"] = {"labels": {0: "no", 10: "yes", 2: None}}
        made = load(TaskCard, card, "card.yaml")
        assert made.splits["test"].options == {"labels": {"0": "no", "10": "yes", "2": None}}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{no: x}", "the key False must be a text; quote it"),
            ("{since: 2020-01-02}", "2020-01-02 is a date in YAML 1.1; quote it"),
        ],
    )
    def test_options_are_what_json_can_say(self, text, problem):
        """They are part of a spec, and a spec is JSON."""
        card = self.card()
        card["splits"]["test"]["options"] = yaml.safe_load(text)
        assert refused(TaskCard, card) == [f"card.yaml: splits.test.options: {problem}"]

    def test_prose_is_needed(self, world):
        """Every card says where its subject comes from."""
        for key in PROSE:
            card = {k: v for k, v in CARDS["qa"].items() if k != key}
            assert refused(TaskCard, card) == [f"card.yaml: {key}: is missing"]
