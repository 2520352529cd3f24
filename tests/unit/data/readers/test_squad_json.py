"""SQuAD's JSON: `xstilts.data.readers.squad_json`."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import squad_json
from xstilts.data.readers.answers import ABSENT, EMPTY, MOVED, OTHER_FORM, UNANSWERED, locate
from xstilts.data.readers.jsonl_rows import read as read_rows
from xstilts.data.readers.remarks import Remark
from xstilts.data.readers.squad_json import read
from xstilts.errors import MalformedFile

CONTEXT = "नमस्ते 𝄞 the cat saw the cat"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def squad(*answers, identity="q1", **more):
    question = {"id": identity, "question": "Who?", "answers": list(answers), **more}
    return {"data": [{"paragraphs": [{"context": CONTEXT, "qas": [question]}]}]}


def write(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return {"questions": path}


def test_offsets_count_code_points(tmp_path):
    """Neither bytes nor UTF-16 units, which differ from the second word on."""
    start = CONTEXT.index("cat")
    files = write(tmp_path / "a.json", squad({"text": "cat", "answer_start": start}))
    (row,) = read(files, "hi")
    assert row["answers"] == [{"text": "cat", "start": start}]
    assert row["context"][start : start + 3] == "cat"


@pytest.mark.parametrize("answers", [[], [{"text": "cat", "answer_start": 13}]])
def test_impossible_questions_have_no_answers(tmp_path, answers):
    """SQuAD 2.0's plausible answers are none; a remark counts answers that contradict it."""
    *remarks, row = read(write(tmp_path / "a.json", squad(*answers, is_impossible=True)), "en")
    assert row["answers"] == []
    assert remarks == [squad_json.IMPOSSIBLE] * bool(answers)


def test_a_possible_question_that_lost_its_answers_does_not_pass_for_an_impossible_one(tmp_path):
    """As in translations whose answers were not found again."""
    assert list(read(write(tmp_path / "a.json", squad(is_impossible=False)), "en")) == [
        squad_json.LOST
    ]


def test_a_wrong_offset_is_an_error_that_says_what_stands_there(tmp_path):
    """Silently trained on, it would teach a wrong span."""
    files = write(tmp_path / "a.json", squad({"text": "cat", "answer_start": 2}))
    with pytest.raises(
        MalformedFile, match=r"a\.json: data\[0\].*qas\[0\]: .*'q1': expected 'cat' at 2 .*repair"
    ):
        list(read(files, "en"))


def test_repair_takes_the_nearest_occurrence(tmp_path):
    """The second cat is nearer to the stated offset."""
    second = CONTEXT.rindex("cat")
    files = write(tmp_path / "a.json", squad({"text": "cat", "answer_start": second - 2}))
    remark, row = read(files, "en", repair=True)
    assert remark == MOVED
    assert row["answers"] == [{"text": "cat", "start": second}]


def test_repair_leaves_out_a_question_none_of_whose_answers_occur(tmp_path):
    """Kept without answers it would pass for unanswerable."""
    files = write(tmp_path / "a.json", squad({"text": "dog", "answer_start": 2}))
    assert list(read(files, "en", repair=True)) == [ABSENT, UNANSWERED]


def test_repair_finds_an_answer_in_another_unicode_form(tmp_path):
    """A composed answer in a decomposed context is the same text."""
    context = unicodedata.normalize("NFD", "Chez Zoé, à Québec")
    question = {"id": "1", "question": "Où?", "answers": [{"text": "Québec", "answer_start": 12}]}
    files = write(
        tmp_path / "a.json", {"data": [{"paragraphs": [{"context": context, "qas": [question]}]}]}
    )
    remark, row = read(files, "fr", repair=True)
    (answer,) = row["answers"]
    assert remark == OTHER_FORM
    assert context[answer["start"] :] == answer["text"] == unicodedata.normalize("NFD", "Québec")


@pytest.mark.parametrize("repair", [True, False])
def test_an_empty_answer_says_that_there_is_none(tmp_path, repair):
    """The question stays, unanswerable: SQuAD 2 would lose half of its questions."""
    files = write(tmp_path / "a.json", squad({"text": "", "answer_start": -1}))
    remark, row = read(files, "en", repair=repair)
    assert (remark, row["answers"]) == (EMPTY, [])


def test_a_mark_of_impossibility_that_is_a_text_is_an_error(tmp_path):
    """The text "false" is true to Python, and would delete the answers."""
    value = squad({"text": "cat", "answer_start": CONTEXT.index("cat")}, is_impossible="false")
    with pytest.raises(MalformedFile, match="'is_impossible': expected bool, found 'false'"):
        list(read(write(tmp_path / "a.json", value), "en"))


def test_offsets_written_as_texts_are_read_when_asked(tmp_path):
    """TQuAD's are."""
    start = CONTEXT.index("cat")
    files = write(tmp_path / "a.json", squad({"text": "cat", "answer_start": str(start)}))
    with pytest.raises(MalformedFile, match=r"'answer_start': expected int, found '"):
        list(read(files, "tr"))
    (row,) = read(files, "tr", text_offsets=True)
    assert row["answers"] == [{"text": "cat", "start": start}]
    files = write(tmp_path / "b.json", squad({"text": "cat", "answer_start": "two"}))
    with pytest.raises(MalformedFile, match=r"answer_start: expected a number, found 'two'"):
        list(read(files, "tr", text_offsets=True))


def test_one_object_in_the_place_of_the_paragraphs_is_one_paragraph(tmp_path):
    """AmQA's articles have it."""
    value = squad({"text": "cat", "answer_start": CONTEXT.index("cat")})
    value["data"][0]["paragraphs"] = value["data"][0]["paragraphs"][0]
    assert len(list(read(write(tmp_path / "a.json", value), "am"))) == 1


def test_id_prefixes_pick_one_language_out_of_a_joint_file(tmp_path):
    """The official TyDiQA-GoldP files hold nine languages."""
    value = squad({"text": "cat", "answer_start": CONTEXT.index("cat")}, identity="swahili-1-2")
    files = write(tmp_path / "a.json", value)
    names = {"sw": "swahili-", "fi": "finnish-"}
    assert [row["id"] for row in read(files, "sw", id_prefixes=names)] == ["swahili-1-2"]
    assert list(read(files, "fi", id_prefixes=names)) == [
        Remark("question left out: the option `id_prefixes` asks for others")
    ]
    with pytest.raises(MalformedFile, match="id_prefixes: no key 'ko'; its keys: sw, fi"):
        list(read(files, "ko", id_prefixes=names))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "no 'data'"),
        ({"data": {}}, "'data': expected list, found {}"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, r"data\[0\].paragraphs\[0\]: no 'context'"),
        ({"data": ["x"]}, r"data\[0\]: expected an object, found str"),
        (squad({"text": "cat"}), r"answers\[0\]: no 'answer_start'"),
        (squad({"text": "cat", "answer_start": True}), "'answer_start': expected int, found True"),
    ],
)
def test_a_missing_or_wrong_member_is_named_with_its_place(tmp_path, value, problem):
    """Never a bare KeyError."""
    with pytest.raises(MalformedFile, match=problem):
        list(read(write(tmp_path / "a.json", value), "en"))


@given(TEXTS, TEXTS, st.integers(-5, 40))
def test_a_located_answer_stands_where_it_was_found_and_none_stands_nearer(context, text, start):
    """The definition of the repair."""
    found = locate(context, text, start)
    places = [i for i in range(len(context) + 1) if text and context.startswith(text, i)]
    if found is None:
        assert not places
    else:
        start = max(start, 0)
        assert found in places
        assert abs(found - start) == min(abs(place - start) for place in places)


def test_rows_of_the_embedded_benchmark_pass_through(tmp_path):
    """They are in the schema already."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "1", "text": "a"}\n{"id": "2", "text": "b"}\n')
    assert [row["id"] for row in read_rows({"rows": path}, "en")] == ["1", "2"]
