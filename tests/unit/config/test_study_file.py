"""Study files are read strictly and merged as Snakemake merges them."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from snakemake.cli import parse_config
from snakemake.utils import update_config

from support.world import STUDY
from xstilts.config.resolve import resolve
from xstilts.config.study_file import load_study, merged, parse_overrides
from xstilts.errors import StudyError, UsageError

ON_ONE_WORLD = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""The world is only read."""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read files of these contents; they lie in the working directory."""
    monkeypatch.chdir(tmp_path)

    def read_files(*contents, overrides=None):
        paths = []
        for number, content in enumerate(contents, start=1):
            paths.append(tmp_path / f"{number}.yaml")
            paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
        return load_study(paths, overrides)

    return read_files


def refused(read, *contents, **named):
    """The one line that refuses the files."""
    with pytest.raises(StudyError) as error:
        read(*contents, **named)
    (line,) = str(error.value).splitlines()
    return line


def problems(call):
    """The lines of the `StudyError` that a call raises; no other exception is let pass."""
    try:
        call()
    except StudyError as error:
        return str(error).splitlines()
    return []


class TestStrictness:
    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("a: 1\nb: {c: 1, c: 2}\n", "1.yaml:2: the key 'c' is given twice; delete one"),
            ("seeds: [010]\n", "1.yaml:1: '010' is not a whole number in decimal digits"),
            ("- a\n", "1.yaml: must be a mapping of keys, not list"),
            ("all of them", "1.yaml: must be a mapping of keys, not str"),
            ("", "1.yaml: is empty; a study needs the keys study, encoders, conditions, targets"),
            ("# nothing\n", "1.yaml: is empty"),
            ('a: "\\ud800"\n', "1.yaml: '\\ud800': the character U+D800 is not allowed"),
            ("a: |\n  b\n  c\n", "1.yaml: 'b\\nc\\n': the character U+000A is not allowed"),
            ('{"a": "\\u0000"}', "1.yaml: '\\x00': the character U+0000 is not allowed"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_slip_is_one_line_with_file_and_line(self, read, content, problem):
        """Snakemake's own loader passes most of these over in silence."""
        assert refused(read, content).startswith(problem)

    def test_the_file_at_fault_is_named(self, read):
        """Of several."""
        assert refused(read, "a: 1\n", "b: 1\nb: 2\n").startswith("2.yaml:2: ")

    @ON_ONE_WORLD
    @given(st.one_of(st.text(), st.binary()))
    @example("a: 1\n")
    @example("{a: !!set {b}}")
    @example("a: !!binary x")
    @example("%TAG ! tag:x,2000:\n--- !a\n")
    def test_whatever_a_file_holds_the_error_is_one_of_the_study(self, tmp_path, content):
        """Never a traceback."""
        path = tmp_path / "any.yaml"
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        path.write_bytes(data)
        lines = problems(lambda: load_study([path]))
        assert len(lines) <= 1
        assert all(line.startswith(f"{path}:") for line in lines)

    @ON_ONE_WORLD
    @given(st.text(st.sampled_from("abno:-[]{},'\"\\ \n\t\r#&*!|>%@?01.~=<"), max_size=40))
    def test_whatever_yaml_a_file_holds_the_error_is_one_of_the_study(self, tmp_path, text):
        """More often near to YAML than arbitrary text is."""
        (tmp_path / "any.yaml").write_text(text, encoding="utf-8")
        assert len(problems(lambda: load_study([tmp_path / "any.yaml"]))) <= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*STUDY, "languages", "recipes", "training", "multi", "mlm", "cards", "x"])


class TestAnyValue:
    @settings(ON_ONE_WORLD, deadline=None)
    @given(changes=st.dictionaries(KEYS, JSON, max_size=3))
    def test_whatever_a_key_holds_the_error_is_one_of_the_study(self, world, changes):
        """From the file to the checks against the cards."""
        path = world.folder / "any.yaml"
        path.write_text(json.dumps(deepcopy(STUDY) | changes), encoding="utf-8")
        lines = problems(lambda: resolve(*load_study([path]), world.cards))
        assert all(line.startswith(str(path)) for line in lines)


class TestValues:
    def test_yaml_and_json_give_the_same(self, read):
        """A study may be written in either."""
        config = {"study": "x", "seeds": [1, 2], "mlm": {"rate": 0.25, "text": None}, "é": "ß"}
        for text in (yaml.safe_dump(config, allow_unicode=True), json.dumps(config, indent="\t")):
            assert read(text).config == config

    def test_a_flow_mapping_is_not_json(self, read):
        """Though it begins with a brace."""
        assert read("{a: 1, b: [x, y]}").config == {"a": 1, "b": ["x", "y"]}

    def test_large_numbers_may_be_grouped(self, read):
        """YAML 1.1 allows it, and no one could mean something else."""
        assert read("a: 131_072\nb: -5\nc: 0\n").config == {"a": 131072, "b": -5, "c": 0}


class TestMerging:
    def test_later_files_win_key_by_key(self, read):
        """Lists are replaced as a whole."""
        loaded = read(
            "a: 1\nb: {c: 1, d: 2}\ne: [1, 2]\n", "b: {d: 3}\ne: [4]\n", overrides={"a": 5}
        )
        assert loaded.config == {"a": 5, "b": {"c": 1, "d": 3}, "e": [4]}
        assert loaded.where == "1.yaml + 2.yaml + --config"

    @given(*2 * [st.dictionaries(st.text(), JSON, max_size=3)])
    def test_as_snakemake_merges(self, first, second):
        """So that `xstilts` and `snakemake` see one study."""
        expected = deepcopy(first)
        update_config(expected, second)
        assert repr(merged(first, second)) == repr(expected)

    def test_what_is_merged_stays_as_it_was(self):
        """The files' values are not changed."""
        first = {"a": {"b": 1}}
        merged(first, {"a": {"b": 2}})
        assert first == {"a": {"b": 1}}


class TestOverrides:
    @pytest.mark.parametrize(
        "entry",
        [
            "seeds=[1, 2]",
            "study=small",
            "study=12",
            "results=~/x",
            "languages=no",
            "rate=1e-5",
            "training={all: {epochs: 1.5, x: [1, a]}}",
            "sweep=True",
            "sweep=true",
            "mirror=",
            "broken=[1",
            "text=a b: c",
            "equals=a=b",
        ],
    )
    def test_an_entry_is_parsed_as_by_snakemake(self, entry):
        """So that both commands take the same options."""
        assert parse_overrides([entry]) == parse_config([entry])

    def test_several_entries_are_merged(self):
        """Single hyperparameters can be set one by one."""
        assert parse_overrides(["a={b: 1}", "a={c: 2}"]) == {"a": {"b": "1", "c": "2"}}

    @pytest.mark.parametrize("entry", ["seeds", "=1", "1a=2", "my.yaml", "a b=1"])
    def test_an_entry_without_a_key_is_refused(self, entry):
        """With an example."""
        with pytest.raises(UsageError, match="is not KEY=VALUE, for example 'seeds="):
            parse_overrides([entry])

    def test_numbers_inside_lists_and_mappings_are_numbers(self, read):
        """Snakemake leaves them as texts."""
        overrides = parse_overrides(["seeds=[1, 20]", "x={a: 0.5, b: 1e-5, c: null, d: false}"])
        assert read("a: 1\n", overrides=overrides).config == {
            "a": 1,
            "seeds": [1, 20],
            "x": {"a": 0.5, "b": 1e-5, "c": None, "d": False},
        }

    @pytest.mark.parametrize(
        "text", ["01", "0x10", "1:30", "seed01", "no", "1e", ".", "2020-01-01"]
    )
    def test_what_is_no_plain_number_stays_a_text(self, read, text):
        """``seeds=[01]`` must not become another seed."""
        assert read("a: 1\n", overrides={"seeds": [text]}).config["seeds"] == [text]

    def test_seeds_must_be_plain_numbers(self, world):
        """``seed01`` is no seed; results are found by the number."""
        for seed in ("01", "seed01", "seed1"):
            assert world.problem(seeds=[seed]) == (
                f"study.yaml: seeds[0]: Input should be a valid integer, not {seed!r}"
            )
