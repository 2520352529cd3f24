"""YAML is read strictly: every slip is one line with file and line."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from xstilts.config.strict_yaml import read_value
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path


def refused(folder: Path, content: str | bytes) -> str:
    """The line that refuses a file of this content."""
    path = folder / "x.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(StudyError) as error:
        read_value(path, "x.yaml")
    (line,) = str(error.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", "x.yaml:2: the key 'c' is given twice; delete one"),
        ('{"a": [{"b": 1, "b": 2}]}', "x.yaml: the key 'b' is given twice; delete one"),
        ("a:\t1\n", "x.yaml:1: a tab stands where YAML allows only spaces"),
        ("a:\n\tb: 1\n", "x.yaml:2: a tab stands where YAML allows only spaces"),
        ("\ufeffa: 1\n", "x.yaml:1: begins with a byte order mark; save it as UTF-8 without"),
        ("a: 1\n".encode("utf-16"), "x.yaml: is UTF-16; save it as UTF-8"),
        ("a: 1\n".encode("utf-16-be"), "x.yaml:1: the character U+0000 is not allowed"),
        ("a: 1\n".encode("utf-32"), "x.yaml: is UTF-32; save it as UTF-8"),
        (b"a: 1\nb: \xe9\n", "x.yaml:2: the byte 0xe9 is not UTF-8"),
        (b"PAR1\x15\x04\x15\xff\x00", "x.yaml:1: the byte 0xff is not UTF-8"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: a second document begins here (---)"),
        ("a: &x 1\nb: *x\n", "x.yaml:2: the alias *x is not allowed; write the value out"),
        ("a: {b: 1}\nc:\n  <<: {d: 2}\n", "x.yaml:3: the merge key << is not allowed"),
        ("a: !!str 5\n", "x.yaml:1: the tag !!str is not allowed; delete it"),
        ("a: !!python/name:os.system\n", "x.yaml:1: the tag !!python/name:os.system is not"),
        ("a: {no: b}\n", "x.yaml:1: the key 'no' is a bool in YAML 1.1; quote it"),
        ("? [a]\n: b\n", "x.yaml:1: a list or mapping is not allowed as a key"),
        ("seeds: [010]\n", "x.yaml:1: '010' is not a whole number in decimal digits"),
        ("seeds: [0x10]\n", "x.yaml:1: '0x10' is not a whole number in decimal digits"),
        ("seeds: [1:30]\n", "x.yaml:1: '1:30' is not a whole number in decimal digits"),
        (f"seeds: [{'9' * 5000}]\n", "x.yaml:1: '99999"),
        ("a: 1:30.5\n", "x.yaml:1: '1:30.5' is a time in YAML 1.1; quote it"),
        ("a: 2020-13-45\n", "x.yaml:1: '2020-13-45' is a date in YAML 1.1; quote it"),
        ("a: =\n", "x.yaml:1: '=' is a sign in YAML 1.1; quote it"),
        ("[" * 20000, "x.yaml: lists or mappings are nested too deeply"),
        ('{"a":' * 20000, "x.yaml: lists or mappings are nested too deeply"),
        ("a: [1\n", "x.yaml:2: not YAML: expected ',' or ']'"),
        ("a: b: c\n", "x.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: !!int abc\n", "x.yaml:1: the tag !!int is not allowed; delete it"),
        ("a: !!bool maybe\n", "x.yaml:1: the tag !!bool is not allowed; delete it"),
        ("a: &a [*a]\n", "x.yaml:1: the alias *a is not allowed; write the value out"),
        ("-0: a\n", "x.yaml:1: the key '-0' is a int in YAML 1.1; quote it"),
        ("010: a\n", "x.yaml:1: the key '010' is a int in YAML 1.1; quote it"),
        ("0: a\n'0': b\n", "x.yaml:2: the key '0' is given twice; delete one of them"),
        (f"batch_size: {'9' * 24}\n", "x.yaml:1: '999999999999999999999999' is too large"),
        ("a" * 2**17 + ": 1\n", "x.yaml: cannot be read (larger than 131,072 bytes)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_slip_is_one_line_with_file_and_line(tmp_path, content, problem):
    """YAML 1.1 passes most of these over in silence."""
    assert refused(tmp_path, content).startswith(problem)


def test_aliases_are_replaced_where_they_are_allowed(tmp_path):
    """Programs that write cards use them."""
    (tmp_path / "x.yaml").write_text("a: &a [1, &b {c: d}]\ne: [*a, *b]\n")
    expected = {"a": [1, {"c": "d"}], "e": [[1, {"c": "d"}], {"c": "d"}]}
    assert read_value(tmp_path / "x.yaml", "x.yaml", aliases=True) == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["a: &a [*a]"], "x.yaml:1: the alias *a stands for a value that holds it"),
        (["a: &a {b: [{c: *a}]}"], "x.yaml:1: the alias *a stands for a value that holds it"),
        (["a: *b", "c: &b 1"], "x.yaml:1: the alias *b is not allowed"),
        (
            ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 30))],
            "x.yaml:15: the alias *a13 makes this too many values",
        ),
    ],
    ids=["itself", "deep inside", "later", "a billion"],
)
def test_aliases_without_an_end_are_refused_at_once(tmp_path, lines, problem):
    """They took minutes and all memory."""
    (tmp_path / "x.yaml").write_text("\n".join(lines))
    before = time.process_time()
    with pytest.raises(StudyError) as error:
        read_value(tmp_path / "x.yaml", "x.yaml", aliases=True)
    assert str(error.value).startswith(problem)
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("gone.yaml", "cannot be read (No such file or directory)"),
        (".", "is a folder; name a file in it"),
        ("x" * 300, "cannot be read (File name too long)"),
        ("a\0b", "cannot be read (embedded null byte)"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, path, problem):
    """With the system's reason."""
    with pytest.raises(StudyError) as error:
        read_value(tmp_path / path, "it")
    assert str(error.value) == f"it: {problem}"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(StudyError, match="not an ordinary file"):
        read_value(tmp_path / "x.yaml", "x.yaml")


def test_a_whole_number_as_a_key_is_a_text_as_in_json(tmp_path):
    """The labels of many data sets are numbers."""
    (tmp_path / "x.yaml").write_text("labels: {0: no, -1: yes}\n")
    (tmp_path / "x.json").write_text('{"labels": {"0": false, "-1": true}}')
    assert read_value(tmp_path / "x.yaml", "") == read_value(tmp_path / "x.json", "")
