"""What may be written in a study file, and how a slip is answered."""

from __future__ import annotations

import pytest
import yaml

from xstilts.config.resolve import resolve
from xstilts.errors import StudyError

TASKS = "choice, news, nli, pairs, qa, qa_part, topic, xnli, xqa"


class TestSlips:
    """Bad input gets one clear line that names the file, the key and what is allowed."""

    def test_an_unknown_word_for_languages(self, world):
        """One line, whatever the kinds of values that are allowed."""
        allowed = "is neither all, nor low_resource, nor a list of codes"
        assert world.problem(languages="lowres") == f"study.yaml: languages: 'lowres' {allowed}"
        assert world.problem(languages=7) == f"study.yaml: languages: 7 {allowed}"
        assert world.problem(languages={"xqa": "low"}) == (
            f"study.yaml: languages.xqa: 'low' {allowed}"
        )

    def test_a_misspelled_key(self, world):
        """At the top."""
        assert world.problem(condition=["none"], conditions=["none"]) == (
            "study.yaml: condition: unknown key 'condition'; did you mean 'conditions'? Allowed: "
            "cards, claims, compute, conditions, encoders, evaluation, known_apart, "
            "languages, mirror, mlm, multi, other_versions, recipes, resources, results, seeds, "
            "study, targets, training"
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
            ({"seeds": {}}, "seeds: must not be empty"),
            ({"seeds": {"none": []}}, "seeds.none: must not be empty"),
            ({"seeds": {"none": 1}}, "seeds.none: Input should be a valid list, not 1"),
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
            "study.yaml: encoders: is missing; it is: cards in config/encoders/, or "
            "hub:owner/name@commit for an encoder without one, which transformers' AutoModel "
            "computes"
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

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"seeds": [1, 2, 1]}, "seeds: listed twice: 1"),
            ({"seeds": {"default": [1], "none": [2, 2]}}, "seeds.none: listed twice: 2"),
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

    def test_all_slips_of_form_come_at_once(self, world):
        """One line each, in the order of the file's schema."""
        lines = world.problems(seeds=[1, 1], conditions=["nli"], trainin={}, study=...)
        keys = [line.removeprefix("study.yaml: ").partition(":")[0] for line in lines]
        assert keys == ["study", "conditions", "seeds", "trainin"]


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


def test_a_study_is_a_mapping(world):
    """An empty file is not."""
    with pytest.raises(StudyError, match=r"study\.yaml: must be a mapping of keys, not NoneType"):
        resolve(None, "study.yaml", world.cards)
