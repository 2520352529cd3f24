"""Retrieval: `parallel_lines` (Tatoeba), `bucc` and `lareqa`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import bucc, lareqa, parallel_lines
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile

SENTENCES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\ufeff")), max_size=8
)


@given(SENTENCES)
def test_line_i_of_one_side_is_right_for_line_i_of_the_other(tmp_path_factory, texts):
    """Whatever the sentences hold, repeated ones included."""
    folder = tmp_path_factory.mktemp("pair")
    for name in ("e", "f"):
        (folder / name).write_bytes("".join(f"{name}{text}\n" for text in texts).encode())
    rows = list(parallel_lines.read({"english": folder / "e", "foreign": folder / "f"}, "sw"))
    texts_by_id = {row["id"]: row["text"] for row in rows}
    queries = [row for row in rows if row["side"] == "query"]
    assert [q["text"] for q in queries] == [f"e{text}" for text in texts]
    assert all(texts_by_id[q["relevant"][0]][1:] == q["text"][1:] for q in queries)


def test_unequal_sides_are_an_error_with_both_counts(tmp_path):
    """A line lost on one side shifts everything after it."""
    (tmp_path / "e").write_text("a\nb\n")
    (tmp_path / "f").write_text("x\n")
    with pytest.raises(MalformedFile, match=r"e: has 2 rows, but .*f has 1"):
        list(parallel_lines.read({"english": tmp_path / "e", "foreign": tmp_path / "f"}, "sw"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [("", "expected a sentence, found an empty line"), ("1\ta", "a tab: this is a table")],
)
def test_a_line_that_is_no_sentence_is_an_error(tmp_path, line, problem):
    """An empty line would be a query and a candidate; a header and whole rows, sentences."""
    (tmp_path / "e").write_text(f"a\n{line}\nb\n")
    (tmp_path / "f").write_text("x\ny\nz\n")
    with pytest.raises(MalformedFile, match=f"e:2: {problem}"):
        list(parallel_lines.read({"english": tmp_path / "e", "foreign": tmp_path / "f"}, "sw"))


def test_a_part_that_the_card_forgot_is_named(tmp_path):
    """The reader says which part it needs."""
    with pytest.raises(MalformedFile, match="no part 'english'; its parts: foreign"):
        list(parallel_lines.read({"foreign": tmp_path / "f"}, "sw"))


@pytest.fixture
def bucc_files(tmp_path):
    (tmp_path / "zh").write_text("zh-1\t甲\nzh-2\t乙\n", encoding="utf-8")
    (tmp_path / "en").write_text("en-1\tA\nen-2\tB\n")
    (tmp_path / "gold").write_text("zh-2\ten-1\n")
    return {"foreign": tmp_path / "zh", "english": tmp_path / "en", "gold": tmp_path / "gold"}


def test_bucc_queries_are_the_foreign_corpus_and_most_have_no_partner(bucc_files):
    """Mining has to leave sentences alone."""
    rows = list(bucc.read(bucc_files, "zh"))
    assert [(r["id"], r["relevant"]) for r in rows if r["side"] == "query"] == [
        ("zh-1", []),
        ("zh-2", ["en-1"]),
    ]


def test_bucc_gold_names_known_sentences_only(bucc_files):
    """Line and id of the stray pair are named."""
    bucc_files["gold"].write_text("zh-2\ten-1\nzh-9\ten-1\n")
    with pytest.raises(MalformedFile, match=r"gold:2: no sentence has the id 'zh-9'"):
        list(bucc.read(bucc_files, "zh"))


def test_bucc_lines_have_two_columns(bucc_files):
    """A line without a tab is named."""
    bucc_files["english"].write_text("en-1\tA\nen-2 B\n")
    with pytest.raises(MalformedFile, match=r"en:2: expected two columns separated by a tab"):
        list(bucc.read(bucc_files, "zh"))


def xquad_r(path, context, breaks, start):
    answers = [{"text": context[start], "answer_start": start}]
    paragraph = {
        "context": context,
        "sentence_breaks": breaks,
        "qas": [{"id": "q", "question": f"{context[0]}?", "answers": answers}],
    }
    path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    return path


def test_lareqa_pools_the_sentences_of_all_languages(tmp_path):
    """Right are the answer's sentence and its translation; candidates carry their paragraph."""
    files = {
        "en": xquad_r(tmp_path / "en", "One.\nTwo.", [[0, 4], [5, 9]], 5),
        "de": xquad_r(tmp_path / "de", "Zwei. Eins.", [[0, 5], [6, 11]], 0),
    }
    rows = list(lareqa.read(files, "en"))
    (query,) = [row for row in rows if row["side"] == "query"]
    assert (query["text"], query["relevant"]) == ("O?", ["de_0_0", "en_0_1"])
    candidates = {row["id"]: row["text"] for row in rows if row["side"] == "candidate"}
    assert candidates["en_0_1"] == "Two.One.Two."
    assert sorted(candidates) == ["de_0_0", "de_0_1", "en_0_0", "en_0_1"]


def test_lareqa_leaves_out_a_question_whose_answer_begins_in_no_sentence(tmp_path):
    """As the official script does."""
    files = {"en": xquad_r(tmp_path / "en", "One. Two.", [[0, 4], [5, 9]], 4)}
    remark, *rows = lareqa.read(files, "en")
    assert remark == Remark("question left out: its answer begins in no sentence")
    assert [row["side"] for row in rows] == ["candidate", "candidate"]


def test_lareqa_takes_every_copy_of_the_answers_sentence_for_right(tmp_path):
    """The official script compares the texts of sentences, not their places."""
    context = "Yes. No. Yes."
    files = {"en": xquad_r(tmp_path / "en", context, [[0, 4], [5, 8], [9, 13]], 9)}
    query = next(lareqa.read(files, "en"))
    assert query["relevant"] == ["en_0_0", "en_0_2"]


def test_lareqa_sentence_breaks_lie_inside_the_context(tmp_path):
    """A span beyond the paragraph is named with its place."""
    files = {"en": xquad_r(tmp_path / "en", "One.", [[0, 40]], 0)}
    with pytest.raises(
        MalformedFile, match=r"paragraphs\[0\]: .* sentence_breaks, found \[0, 40\]"
    ):
        list(lareqa.read(files, "en"))
