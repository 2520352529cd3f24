"""Tables: `labelled_texts` and `choices` over csv, tsv, JSON lines and plain lines."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import choices, hellaswag_lines, labelled_texts
from xstilts.errors import MalformedFile

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1)
NLI = {"text": "premise", "text_pair": "hypothesis", "label": "label"}


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return {"pairs": path}


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_csv_cells_come_back_as_written(tmp_path_factory, rows):
    """Quotes, commas and line feeds inside cells included; only outer white space goes."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([("premise", "hypothesis"), *rows])
    files = write(tmp_path_factory.mktemp("csv") / "a.csv", "\ufeff" + stream.getvalue())
    tables = {"*": {"form": "csv"}}
    got = list(
        labelled_texts.read(files, "en", tables=tables, text="premise", text_pair="hypothesis")
    )
    assert [(r["text"], r["text_pair"]) for r in got] == [(a.strip(), b.strip()) for a, b in rows]


QUOTED = {"*": {"form": "tsv", "quoted": True}}


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_cells_of_a_quoted_tsv_come_back_as_written(tmp_path_factory, rows):
    """Quotes, tabs and line feeds inside cells included; only outer white space goes."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerows([("premise", "hypothesis"), *rows])
    files = write(tmp_path_factory.mktemp("tsv") / "a.tsv", stream.getvalue())
    got = list(
        labelled_texts.read(files, "en", tables=QUOTED, text="premise", text_pair="hypothesis")
    )
    assert [(r["text"], r["text_pair"]) for r in got] == [(a.strip(), b.strip()) for a, b in rows]


def test_a_quote_inside_a_field_that_is_not_quoted_is_a_character(tmp_path):
    """AfriXNLI has such fields beside quoted ones."""
    content = 'premise\thypothesis\tlabel\nsay "a"\t"b\tc ""d""\ne"\tneutral\n'
    files = write(tmp_path / "a.tsv", content)
    (row,) = labelled_texts.read(files, "ee", tables=QUOTED, **NLI)
    assert (row["text"], row["text_pair"]) == ('say "a"', 'b\tc "d"\ne')


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ('a\tx\n"b\nc"\ty\n"d\te\nf\tz\n', r"a\.tsv:5: .* opens in this row is not closed"),
        ('a\tx\n"b\nc"\ty\n"d"e\tz\n', r"a\.tsv:5: .* text follows the closing quote"),
        ('a\tx\n"b\nc"\n', r"a\.tsv:3: expected 2 columns \(premise, label\), found 1"),
        ('a\tx\n"b\nc"\tw\n', r"a\.tsv:3: unknown label 'w'.* Allowed: x, y, z"),
    ],
    ids=["not closed", "text after a quote", "columns", "label"],
)
def test_an_error_in_a_quoted_tsv_names_the_line_that_the_row_begins_on(tmp_path, rows, problem):
    """Rows before it may take several lines."""
    files = write(tmp_path / "a.tsv", f"premise\tlabel\n{rows}")
    options = {"text": "premise", "label": "label", "labels": {name: name for name in "xyz"}}
    with pytest.raises(MalformedFile, match=problem):
        list(labelled_texts.read(files, "ee", tables=QUOTED, **options))


def test_tsv_takes_quotes_literally(tmp_path):
    """XNLI, KorNLI and QQP hold single quotation marks, after which csv would swallow rows."""
    files = write(tmp_path / "a.tsv", 'premise\thypothesis\tlabel\n"Ja\tNein"\tneutral\n')
    (row,) = labelled_texts.read(files, "en", tables={"*": {"form": "tsv"}}, **NLI)
    assert (row["text"], row["text_pair"], row["id"]) == ('"Ja', 'Nein"', "0")


def test_a_line_with_too_few_cells_is_named(tmp_path):
    """With the columns that it should have."""
    files = write(tmp_path / "a.tsv", "a\tb\nc\n")
    tables = {"*": {"form": "tsv", "columns": ["premise", "label"]}}
    with pytest.raises(
        MalformedFile, match=r"a\.tsv:2: expected 2 columns \(premise, label\), found 1"
    ):
        list(labelled_texts.read(files, "en", tables=tables, text="premise", label="label"))


def test_labels_are_joined_by_row_from_another_file(tmp_path):
    """XNLI's test labels stand in the English file only."""
    files = write(tmp_path / "a.tsv", "p1\th1\np2\th2\n")
    files["labels"] = tmp_path / "l.csv"
    files["labels"].write_text('gold,note\nneutral,"a\nb"\nentailment,\n')
    tables = {
        "pairs": {"form": "tsv", "columns": ["premise", "hypothesis"]},
        "labels": {"form": "csv"},
    }
    rows = labelled_texts.read(files, "en", tables=tables, **(NLI | {"label": "gold"}))
    assert [row["label"] for row in rows] == ["neutral", "entailment"]
    files["pairs"].write_text("p1\th1\n")
    with pytest.raises(MalformedFile, match=r"a\.tsv: has 1 rows, but .*l\.csv has 2"):
        list(labelled_texts.read(files, "en", tables=tables, **(NLI | {"label": "gold"})))


def test_labels_are_mapped_and_an_unknown_one_is_an_error_with_its_line(tmp_path):
    """The error says what is allowed."""
    files = write(tmp_path / "a.tsv", "premise\tlabel\na\t0\nb\t3\n")
    rows = labelled_texts.read(
        files,
        "eu",
        tables={"*": {"form": "tsv"}},
        text="premise",
        label="label",
        labels={0: "entailment", 1: "neutral"},
    )
    assert next(rows)["label"] == "entailment"
    with pytest.raises(MalformedFile, match=r"a\.tsv:3: unknown label '3'\. Allowed: 0, 1"):
        next(rows)


def test_a_label_mapped_to_null_leaves_the_row_out(tmp_path):
    """SNLI marks pairs without a majority by '-'."""
    files = write(tmp_path / "a.tsv", "premise\tlabel\na\t-\nb\tneutral\n")
    rows = labelled_texts.read(
        files,
        "en",
        tables={"*": {"form": "tsv"}},
        text="premise",
        label="label",
        labels={"neutral": "neutral", "-": None},
    )
    assert [row["text"] for row in rows] == ["b"]


def test_columns_may_be_named_after_the_language(tmp_path):
    """myXNLI's are."""
    files = write(tmp_path / "a.tsv", "s_my\tlabel\na\tx\n")
    rows = labelled_texts.read(files, "my", tables={"*": {"form": "tsv"}}, text="s_{language}")
    assert [row["text"] for row in rows] == ["a"]


def test_an_unknown_column_is_an_error_with_the_ones_there_are(tmp_path):
    """A card's slip is found at once."""
    files = write(tmp_path / "a.tsv", "premise\tlabel\na\tx\n")
    with pytest.raises(MalformedFile, match=r"unknown column 'premis'; did you mean 'premise'"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "tsv"}}, text="premis"))


def test_where_keeps_the_rows_of_one_value(tmp_path):
    """For files that hold several sets."""
    files = write(tmp_path / "a.tsv", "premise\tset\na\tdev\nb\ttest\n")
    rows = labelled_texts.read(
        files, "en", tables={"*": {"form": "tsv"}}, text="premise", where={"set": "test"}
    )
    assert [row["text"] for row in rows] == ["b"]


def test_an_unclosed_quote_is_an_error_at_the_line_it_opens(tmp_path):
    """Not at the end of the file."""
    files = write(tmp_path / "a.csv", 'premise\na\n"b\nc\n')
    with pytest.raises(MalformedFile, match=r"a\.csv:3: not CSV"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "csv"}}, text="premise"))


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"*": {"form": "xls"}}, "unknown form 'xls'"),
        ({"*": {"from": "csv"}}, "unknown key 'from'; did you mean 'form'"),
        ({"*": {"form": "lines"}}, "needs one name in columns"),
        ({"*": {"form": "tsv", "quoted": "yes"}}, "quoted: 'yes' .* allowed: true or false"),
        ({"*": {"form": "jsonl", "quoted": True}}, "quoted: True with form jsonl; allowed: .* tsv"),
        ({"rows": {}}, "no part 'rows'; its parts: pairs"),
    ],
)
def test_a_wrong_description_of_a_table_is_an_error(tmp_path, tables, problem):
    """It says what is allowed."""
    with pytest.raises(MalformedFile, match=problem):
        list(labelled_texts.read(write(tmp_path / "a", "x"), "en", tables=tables, text="x"))


# --- choices -------------------------------------------------------------------------------------


def test_choices_inside_an_object_and_letters_as_labels(tmp_path):
    """CommonsenseQA."""
    line = '{"q": {"stem": "Why?", "options": [{"text": "a"}, {"text": "b"}]}, "key": "B"}\n'
    (row,) = choices.read(
        write(tmp_path / "a.jsonl", line),
        "en",
        tables={"*": {"form": "jsonl"}},
        prompt="{q[stem]}",
        choices="q.options",
        choice_text="text",
        label="key",
        labels={"A": 0, "B": 1},
    )
    assert row == {"id": "0", "prompt": "Why?", "choices": ["a", "b"], "label": 1}


def test_labels_that_count_from_one(tmp_path):
    """Social IQa's and XStoryCloze's do."""
    files = write(tmp_path / "a.tsv", "p\tx\ty\tright\nP {\ta\tb\t2\n")
    options = {"tables": {"*": {"form": "tsv"}}, "prompt": "{p}", "choices": ["x", "y"]}
    (row,) = choices.read(files, "en", **options, label="right", first_label=1)
    assert (row["prompt"], row["label"]) == ("P {", 1)


def test_a_prompt_that_needs_a_column_the_file_lacks_is_an_error(tmp_path):
    """With file, line and the columns there are."""
    files = write(tmp_path / "a.tsv", "p\tx\nP\ta\n")
    with pytest.raises(MalformedFile, match=r"a\.tsv:2: the prompt '\{q\}' needs 'q'.* p, x"):
        list(choices.read(files, "en", tables={"*": {"form": "tsv"}}, prompt="{q}", choices=["x"]))


def test_a_label_that_is_no_number_is_an_error(tmp_path):
    """HellaSwag's test labels are empty."""
    files = write(tmp_path / "a.jsonl", '{"p": "P", "c": ["a", "b"], "label": ""}\n')
    options = {"tables": {"*": {"form": "jsonl"}}, "prompt": "{p}", "choices": "c"}
    with pytest.raises(MalformedFile, match=r"a\.jsonl:1: label: expected a number, found ''"):
        list(choices.read(files, "en", **options, label="label"))


def test_hellaswag_as_six_lines_an_item(tmp_path):
    """Context, index, endings."""
    path = tmp_path / "h.txt"
    path.write_text("A man\n3\na\nb\nc\nd\n" * 2)
    rows = list(hellaswag_lines.read({"items": path}, "en"))
    assert [row["id"] for row in rows] == ["0", "1"]
    assert rows[0] | {"id": ""} == {
        "id": "",
        "prompt": "A man",
        "choices": ["a", "b", "c", "d"],
        "label": 3,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A\n3\na\nb\nc\n", r"h\.txt:5: expected 6 lines an item, found 5"),
        (
            "A\n3\na\nb\nc\nd\nB\n4\na\nb\nc\nd\n",
            r"h\.txt:8: expected 0, 1, .* second line .* found '4'",
        ),
    ],
)
def test_a_shifted_hellaswag_file_is_an_error(tmp_path, text, problem):
    """One line too few shifts all items after it."""
    path = tmp_path / "h.txt"
    path.write_text(text)
    with pytest.raises(MalformedFile, match=problem):
        list(hellaswag_lines.read({"items": path}, "en"))
