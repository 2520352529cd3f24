"""AfriQA's gold passages: `xstilts.data.readers.afriqa`."""

from __future__ import annotations

import json

import pytest

from xstilts.data.readers.afriqa import read
from xstilts.data.readers.answers import MOVED, UNANSWERED
from xstilts.errors import MalformedFile


def afriqa(tmp_path, **changes):
    item = {
        "id": "3",
        "context": "The Nile is long.",
        "question_lang": "Mto gani? ",
        "answer_pivot": {"text": ["Nile"], "answer_start": [4]},
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(item | changes) + "\n")
    return {"questions": path}


def pivot(text, *starts):
    return {"text": [text], "answer_start": list(starts)}


def test_the_question_is_african_and_the_answer_english(tmp_path):
    """Offsets that are right stay."""
    (row,) = read(afriqa(tmp_path), "sw")
    assert row["question"] == "Mto gani?"
    assert row["answers"] == [{"text": "Nile", "start": 4}]


@pytest.mark.parametrize(
    "answer", [pivot("Nile", 0), pivot("Nile", -1), pivot(" Nile ", 9), pivot("Nile")]
)
def test_a_wrong_or_missing_offset_is_mended(tmp_path, answer):
    """By the nearest occurrence."""
    remark, row = read(afriqa(tmp_path, answer_pivot=answer), "sw")
    assert remark == MOVED
    assert row["answers"] == [{"text": "Nile", "start": 4}]


@pytest.mark.parametrize("changes", [{"answer_pivot": pivot("yes", -1)}, {"context": None}])
def test_a_question_that_no_span_answers_is_left_out(tmp_path, changes):
    """Yes, no, and questions without a passage."""
    assert list(read(afriqa(tmp_path, **changes), "sw"))[-1] == UNANSWERED


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"context": 3}, r"a\.json:1: 'context': expected str or NoneType, found 3"),
        ({"answer_pivot": {"text": ["a"]}}, r"a\.json:1: answer_pivot: no 'answer_start'"),
        ({"answer_pivot": pivot("Nile", 4, 5)}, "than texts"),
        ({"answer_pivot": pivot(None, 4)}, "found None and 4"),
    ],
)
def test_a_damaged_item_is_named_with_its_line(tmp_path, changes, problem):
    """Never a bare KeyError."""
    with pytest.raises(MalformedFile, match=problem):
        list(read(afriqa(tmp_path, **changes), "sw"))
