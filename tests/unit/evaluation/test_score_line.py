"""The line of a score holds a digest of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.evaluation.score_line import (
    VERSION,
    grid_digest,
    is_sealed,
    line_of,
    read_line,
    sealed,
)
from xstilts.provenance.digests import digest

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def a_line(metrics: Any) -> bytes:
    """The line of a score in Swahili."""
    score = {"version": VERSION, "language": "sw", "metrics": metrics, "device": "cpu"}
    return line_of(score).encode()


@given(VALUES)
def test_what_is_kept_keeps_its_bytes(value):
    """Read and written again a line is the same: no digit of a metric and no letter is lost."""
    line = a_line(value)
    score = read_line(line)
    assert score
    assert is_sealed(line, score)
    assert line_of(score).encode() == line


def test_the_digest_is_of_the_canonical_json_of_the_rest():
    """So that any program can check it."""
    score = json.loads(a_line({"accuracy": 50.0}))
    assert score.pop("digest") == digest(score)
    assert sealed(sealed(score)) == sealed(score)


@given(VALUES, st.data())
def test_a_line_with_another_byte_is_not_sealed(value, data):
    """Or no line of a score at all; white space apart."""
    line = a_line(value).rstrip()
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    changed = line[:place] + bytes([other]) + line[place + 1 :]
    score = read_line(changed)
    assert score is None or not is_sealed(changed, score) or score == json.loads(line)


@pytest.mark.parametrize(
    "edit", [("50.0", "99.0"), ('"sw"', '"de"'), ('"digest":"', '"digest":"0')]
)
def test_an_edited_line_is_not_sealed(edit):
    old, new = (text.encode() for text in edit)
    line = a_line({"accuracy": 50.0}).replace(old, new)
    score = read_line(line)
    assert score
    assert not is_sealed(line, score)


def test_a_line_that_gives_a_key_twice_is_not_sealed():
    """Though its last value is the one that was written: other programs read the first."""
    line = a_line({"accuracy": 50.0})
    twice = line.replace(b'"metrics"', b'"metrics":{"accuracy":99.0},"metrics"', 1)
    score = read_line(twice)
    assert score == json.loads(line)
    assert not is_sealed(twice, score)


@pytest.mark.parametrize("lack", ["digest", "nan"])
def test_a_line_that_has_no_digest_is_not_sealed(lack):
    """Without one, or with a number that JSON does not have."""
    score = json.loads(a_line({}))
    score = score | {"n": float("nan")} if lack == "nan" else {"version": VERSION, "language": "sw"}
    line = json.dumps(score).encode()
    read = read_line(line)
    assert read
    assert not is_sealed(line, read)


def test_a_line_that_was_in_an_editor_is_sealed():
    """Its spaces and the order of its keys decide nothing."""
    score = json.loads(a_line({"accuracy": 50.0}))
    line = json.dumps(dict(reversed(score.items()))).encode()
    assert read_line(line) == score
    assert is_sealed(line, score)


@pytest.mark.parametrize(
    "cut",
    [
        '"n":5',
        '"n":5}',
        "[1]",
        f'{{"version":{VERSION},"language":7}}',
        f'{{"version":{VERSION - 1},"language":"sw"}}',
        "",
        "\x00",
    ],
)
def test_what_is_no_whole_score_is_none(cut):
    assert read_line(cut.encode()) is None


class TestGridDigest:
    """One hash of all scores of a study."""

    def test_the_order_of_the_scores_decides_nothing(self):
        """Whoever reads the files in another order finds the same hash."""
        assert grid_digest("spec", ["b", "a"]) == grid_digest("spec", iter(["a", "b"]))

    @pytest.mark.parametrize(
        "other",
        [("other", ["a", "b"]), ("spec", ["a"]), ("spec", ["a", "b", "b"]), ("a", ["spec", "b"])],
    )
    def test_another_study_or_score_is_another_hash(self, other):
        assert grid_digest(*other) != grid_digest("spec", ["a", "b"])
