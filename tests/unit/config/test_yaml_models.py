"""YAML files become models; every slip is one line that names file and key."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from support.world import refused
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import read_yaml
from xstilts.errors import StudyError


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

    def test_a_key_that_is_a_list_is_an_error(self, tmp_path):
        """One line, not a traceback."""
        with pytest.raises(StudyError, match=r"card\.yaml:1: .*list or mapping is not allowed"):
            self.read(tmp_path, "? [a]\n: b\n")

    def test_a_file_that_is_no_text_is_named(self, tmp_path):
        """A parquet file with a wrong name."""
        (tmp_path / "card.yaml").write_bytes(b"PAR1\x00\xff\xfe")
        with pytest.raises(StudyError, match=r"card\.yaml:1: the byte 0xff is not UTF-8"):
            read_yaml(tmp_path / "card.yaml")

    def test_a_missing_file_is_named(self, tmp_path):
        """With the system's reason."""
        with pytest.raises(StudyError, match=r"x\.yaml: cannot be read \(No such file"):
            read_yaml(tmp_path / "x.yaml")

    def test_separators_may_be_line_ends_and_tabs(self, tmp_path):
        assert self.read(tmp_path, 'options: {separator: "\\n\\t"}') == {
            "options": {"separator": "\n\t"}
        }

    @pytest.mark.parametrize("character", ["\\0", "\\x1b", "\\ud800", "\\x85"])
    def test_other_control_characters_are_refused(self, tmp_path, character):
        """They would end up in file names and on terminals."""
        with pytest.raises(StudyError, match=r"card\.yaml: .* is not allowed; delete it"):
            self.read(tmp_path, f'path: ["a{character}"]')

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
            ("weight_decay", float("inf"), "Input should be a finite number, not inf"),
            ("epochs", "two", "valid number, unable to parse string as a number, not 'two'"),
            ("warmup", 1.0, "Input should be less than 1, not 1.0"),
            ("batch_size", 8.0, "Input should be a valid integer, not 8.0"),
            ("batch_size", "8", "Input should be a valid integer, not '8'"),
            ("max_steps", True, "Input should be a valid integer, not True"),
            ("batch_size", 10**23, "Input should be less than 2147483648, not " + "1" + "0" * 23),
            ("epochs", 1e300, "Input should be less than 1000000, not 1e+300"),
            ("max_length", 9000, "Input should be less than or equal to 8192, not 9000"),
        ],
    )
    def test_values_are_never_coerced(self, key, value, problem):
        """The message says what is allowed and what was given."""
        (line,) = refused(Hyperparameters, {key: value})
        assert line.startswith(f"card.yaml: {key}: ")
        assert line.endswith(problem)
