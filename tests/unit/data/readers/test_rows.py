"""The Hub's copies: rows of parquet files and JSON lines, with the columns that are published."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import choices, labelled_texts, plain_texts, squad_rows, token_rows
from xstilts.data.readers.answers import EMPTY, MOVED
from xstilts.data.readers.remarks import Remark
from xstilts.errors import MalformedFile

PARQUET = {"*": {"form": "parquet"}}


@pytest.fixture
def table(tmp_path):
    """Writes a parquet file of rows; gives a reader's files."""

    def write(*rows):
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
        return {"rows": path}

    return write


def test_classes_are_numbers_in_glue(table):
    """nyu-mll/glue: ClassLabel columns hold numbers, -1 where a label is hidden."""
    files = table(
        {"premise": "A b.", "hypothesis": "B.", "label": 0, "idx": 7},
        {"premise": "A c.", "hypothesis": "C.", "label": -1, "idx": 8},
    )
    labels = {0: "entailment", 1: "neutral", 2: "contradiction", -1: None}
    how = {"text": "premise", "text_pair": "hypothesis", "label": "label", "id": "idx"}
    rows = list(labelled_texts.read(files, "en", tables=PARQUET, labels=labels, **how))
    assert rows == [
        {"id": "7", "text": "A b.", "text_pair": "B.", "label": "entailment"},
        Remark("row left out: the option `labels` maps its label to null"),
    ]


def test_choices_are_a_list_inside_an_object_in_commonsense_qa(table):
    """tau/commonsense_qa: choices{label: [], text: []}."""
    files = table(
        {
            "id": "x",
            "question": "Where?",
            "choices": {"label": ["A", "B"], "text": ["here", "there"]},
            "answerKey": "B",
        }
    )
    (row,) = choices.read(
        files,
        "en",
        tables=PARQUET,
        prompt="{question}",
        choices="choices.text",
        label="answerKey",
        labels={"A": 0, "B": 1},
        id="id",
    )
    assert row == {"id": "x", "prompt": "Where?", "choices": ["here", "there"], "label": 1}


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    """An error page that was saved in its place."""
    path = tmp_path / "rows.parquet"
    path.write_text("<html>")
    with pytest.raises(MalformedFile, match="not a parquet file"):
        list(plain_texts.read({"rows": path}, "en", tables=PARQUET))


# --- questions -----------------------------------------------------------------------------------

QUESTION = {
    "id": "swahili-1",
    "title": "T",
    "context": " Nairobi ni mji.",
    "question": "Wapi?",
    "answers": {"text": ["Nairobi"], "answer_start": [1]},
}


@given(st.text("ab ñ\n🙂", min_size=1, max_size=30), st.data())
def test_answers_point_at_their_text(tmp_path_factory, context, data):
    """Offsets count code points, and white space at the ends counts."""
    start = data.draw(st.integers(0, len(context) - 1))
    text = context[start : data.draw(st.integers(start + 1, len(context)))]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    answers = {"text": [text], "answer_start": [start]}
    path.write_text(json.dumps(QUESTION | {"context": context, "answers": answers}) + "\n")
    (*remarks, row) = squad_rows.read({"rows": path}, "sw", tables={"*": {"form": "jsonl"}})
    assert row["context"] == context
    assert row["answers"] == ([{"text": text, "start": start}] if text.strip() else [])
    assert remarks == ([] if text.strip() else [EMPTY])


def test_a_question_without_answers_is_unanswerable(table):
    """rajpurkar/squad_v2: the lists are empty."""
    files = table(QUESTION | {"answers": {"text": [], "answer_start": []}})
    (row,) = squad_rows.read(files, "en", tables=PARQUET)
    assert row["answers"] == []


def test_languages_are_told_apart_by_the_id(table):
    """google-research-datasets/tydiqa holds nine languages in one file."""
    files = table(QUESTION, QUESTION | {"id": "telugu-1"})
    prefixes = {"sw": "swahili", "te": "telugu"}
    row, remark = squad_rows.read(files, "sw", tables=PARQUET, id_prefixes=prefixes)
    assert row["id"] == "swahili-1"
    assert remark == Remark("question left out: the option `id_prefixes` asks for others")
    with pytest.raises(MalformedFile, match="id_prefixes: no key 'fi'; its keys: sw, te"):
        list(squad_rows.read(files, "fi", tables=PARQUET, id_prefixes=prefixes))


def test_a_wrong_offset_is_an_error_unless_it_may_be_mended(table):
    """google/xtreme stripped texts without moving offsets."""
    files = table(QUESTION | {"context": "Nairobi ni mji."})
    with pytest.raises(MalformedFile, match=r"expected 'Nairobi' at 1 of the context"):
        list(squad_rows.read(files, "sw", tables=PARQUET))
    remark, row = squad_rows.read(files, "sw", tables=PARQUET, repair=True)
    assert remark == MOVED
    assert row["answers"] == [{"text": "Nairobi", "start": 0}]


# --- tags ----------------------------------------------------------------------------------------


def test_tags_are_numbers_or_texts(table):
    """unimelb-nlp/wikiann has numbers; a sentence without tokens is none."""
    files = table(
        {"tokens": ["Ana", "alikuja"], "ner_tags": [1, 0]}, {"tokens": [], "ner_tags": []}
    )
    row, remark = token_rows.read(files, "sw", tables=PARQUET, names=["O", "B-PER"])
    assert remark == Remark("row left out: it has no tokens")
    assert row == {"id": "0", "tokens": ["Ana", "alikuja"], "tags": ["B-PER", "O"]}
    with pytest.raises(MalformedFile, match="tag 1 is not an index into the 1 names"):
        list(token_rows.read(files, "sw", tables=PARQUET, names=["O"]))


def test_tags_without_their_tokens_are_refused(table):
    """A row whose lists differ in length would shift every tag."""
    files = table({"tokens": ["a", "b"], "ner_tags": ["O"]})
    with pytest.raises(MalformedFile, match="expected lists of one length"):
        list(token_rows.read(files, "sw", tables=PARQUET))


@pytest.mark.parametrize(
    "row", [{"tokens": ["a", None], "ner_tags": ["O", "O"]}, {"tokens": ["a"], "ner_tags": [None]}]
)
def test_a_token_or_tag_that_is_null_is_refused(table, row):
    """It would be the word "None"."""
    with pytest.raises(MalformedFile, match=r"rows\.parquet:1: .*, found None"):
        list(token_rows.read(table(row), "sw", tables=PARQUET))


@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_a_damaged_parquet_file_is_named(table, place):
    """The library's errors name neither the file nor what to make of it."""
    files = table(*({"text": f"sentence {i}"} for i in range(500)))
    content = bytearray(files["rows"].read_bytes())
    middle = int(place * len(content))
    content[middle : middle + 20] = b"\xff" * 20
    files["rows"].write_bytes(bytes(content))
    with pytest.raises(MalformedFile, match=r"rows\.parquet: not a parquet file \("):
        list(plain_texts.read(files, "en", tables=PARQUET))


# --- plain text ----------------------------------------------------------------------------------


def test_articles_are_cut_into_paragraphs(table):
    """wikimedia/wikipedia: headings and other short pieces are left out."""
    files = table(
        {"id": "1", "title": "A", "text": "One long\nparagraph.\n\nRefs\n\nAnother paragraph."},
        {"id": "2", "title": "B", "text": "A second article."},
    )
    rows = list(plain_texts.read(files, "sw", tables=PARQUET, split="\n\n", shortest=10))
    assert rows == [
        {"id": "0.0", "text": "One long paragraph."},
        Remark("piece of text left out: fewer than 10 characters"),
        {"id": "0.2", "text": "Another paragraph."},
        {"id": "1.0", "text": "A second article."},
    ]
    assert len(list(plain_texts.read(files, "sw", tables=PARQUET, most=1))) == 1
