"""Tables: `labelled_texts` and `choices` over csv, tsv, JSON lines and plain lines."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers import choices, hellaswag_lines, labelled_texts, parallel_rows
from xstilts.data.readers.remarks import Remark
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
    assert list(rows) == [
        Remark("row left out: the option `labels` maps its label to null"),
        {"id": "1", "text": "b", "text_pair": None, "label": "neutral"},
    ]


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
    assert list(rows) == [
        Remark("row left out: the option `where` asks for others"),
        {"id": "1", "text": "b", "text_pair": None, "label": None},
    ]


def test_an_unclosed_quote_is_an_error_at_the_line_it_opens(tmp_path):
    """Not at the end of the file."""
    files = write(tmp_path / "a.csv", 'premise\na\n"b\nc\n')
    with pytest.raises(MalformedFile, match=r"a\.csv:3: not CSV"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "csv"}}, text="premise"))


SEMICOLONS = {"*": {"form": "csv", "delimiter": ";"}}


def test_a_table_may_have_another_delimiter(tmp_path):
    """With CSV's quotes, or without."""
    files = write(tmp_path / "a.csv", 'text;label\n"a;b";x\n')
    (row,) = labelled_texts.read(files, "en", tables=SEMICOLONS, text="text", label="label")
    assert row["text"] == "a;b"
    tables = {"*": SEMICOLONS["*"] | {"quoted": False}}
    with pytest.raises(MalformedFile, match=r"a\.csv:2: expected 2 columns .* found 3"):
        list(labelled_texts.read(files, "en", tables=tables, text="text"))


def test_a_field_in_quotes_may_be_longer_than_the_library_allows_by_default(tmp_path):
    """Its limit is 131,072 characters; an article of Wikipedia has more."""
    files = write(tmp_path / "a.csv", f'text\n"{"x " * 100_000}"\n')
    (row,) = labelled_texts.read(files, "en", tables={"*": {"form": "csv"}}, text="text")
    assert len(row["text"]) == 199_999


@pytest.mark.parametrize("form", ["tsv", "csv"])
def test_a_header_that_names_a_column_twice_is_an_error(tmp_path, form):
    """The last one would count, in silence."""
    mark = {"tsv": "\t", "csv": ","}[form]
    files = write(tmp_path / "a", mark.join(["text", "label", "text"]) + "\n")
    with pytest.raises(MalformedFile, match=r"a:1: the header names the column 'text' twice"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": form}}, text="text"))


HEALTH = "category\ttext\n" + 'health\t"He said ""no""."\n' + "health\tNo.\n" * 699


def test_csv_quotes_in_a_cell_of_a_table_that_is_read_without_are_an_error(tmp_path):
    """In some languages of a public set half of the texts have them, in others one of 702."""
    files = write(tmp_path / "a.tsv", HEALTH)
    options = {"text": "text", "label": "category"}
    with pytest.raises(
        MalformedFile,
        match=r"a\.tsv:2: 1 of 700 rows have cells in the quotes of.*quoted: true",
    ):
        list(labelled_texts.read(files, "ha", tables={"*": {"form": "tsv"}}, **options))
    rows = labelled_texts.read(files, "ha", tables=QUOTED, **options)
    assert next(rows)["text"] == 'He said "no".'
    literal = {"*": {"form": "tsv", "quoted": False}}
    assert next(labelled_texts.read(files, "ha", tables=literal, **options))["text"][0] == '"'


def test_a_table_whose_cells_all_stand_in_quotes_is_an_error(tmp_path):
    """Some programs quote every text."""
    files = write(tmp_path / "a.tsv", 'text\tlabel\n"one"\ta\n"two"\tb\nthree\tc\n')
    with pytest.raises(MalformedFile, match="2 of 3 rows have cells in the quotes of CSV"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "tsv"}}, text="text"))


def test_quoted_speech_is_no_csv(tmp_path):
    """A sentence may begin and end with a quote."""
    files = write(tmp_path / "a.tsv", 'text\n"No."\n"Yes," she said, "of course."\n')
    rows = labelled_texts.read(files, "en", tables={"*": {"form": "tsv"}}, text="text")
    assert [row["text"] for row in rows] == ['"No."', '"Yes," she said, "of course."']


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "gb18030"])
def test_a_table_may_have_another_encoding(tmp_path, encoding):
    """Also one whose line feed is not one byte."""
    files = write(tmp_path / "a.tsv", "text\nañejo\nçok\n".encode(encoding, "ignore"))
    tables = {"*": {"form": "tsv", "encoding": encoding}}
    rows = list(labelled_texts.read(files, "en", tables=tables, text="text"))
    assert [row["text"] for row in rows] == ["añejo", "çok"]
    with pytest.raises(MalformedFile):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "tsv"}}, text="text"))


@pytest.mark.parametrize("value", ["null", "[1]", "true", '{"a": 1}', "1.5"])
@pytest.mark.parametrize("column", ["text", "label", "id"])
def test_a_value_that_is_no_text_is_an_error_and_not_its_python_name(tmp_path, column, value):
    """A null would be the word "None"."""
    row = json.dumps({"text": "a", "label": "x", "id": "1"} | {column: json.loads(value)})
    files = write(tmp_path / "a.jsonl", row)
    options = {"text": "text", "label": "label", "id": "id"}
    with pytest.raises(MalformedFile, match=rf"a\.jsonl:1: {column}: expected a text"):
        list(labelled_texts.read(files, "en", tables={"*": {"form": "jsonl"}}, **options))


def test_a_selection_names_the_rows_to_read_and_numbers_them(tmp_path):
    """AfriXNLI's items in the languages of XNLI."""
    files = write(tmp_path / "a.tsv", "text\na\nb\nc\n")
    files["rows"] = tmp_path / "rows.tsv"
    files["rows"].write_text("new\told\n0\t2\n1\t0\n")
    options = {
        "tables": {"pairs": {"form": "tsv"}},
        "text": "text",
        "selection": {"part": "rows", "column": "old"},
    }
    rows = list(labelled_texts.read(files, "en", **options))
    assert [(row["id"], row["text"]) for row in rows] == [("0", "c"), ("1", "a")]
    files["rows"].write_text(f"new\told\n0\t{'9' * 5_000}\n")
    with pytest.raises(MalformedFile, match=r"rows\.tsv:2: expected the number of a row"):
        list(labelled_texts.read(files, "en", **options))
    files["rows"].write_text("new\told\n0\t3\n")
    with pytest.raises(MalformedFile, match=r"rows\.tsv:2: .* of a row, 0 to 2, found '3'"):
        list(labelled_texts.read(files, "en", **options))


# --- translations in tables ----------------------------------------------------------------------


def sides(tmp_path, **texts):
    for part, text in texts.items():
        (tmp_path / part).write_text(f"n\ttext\n{text}")
    files = {part.replace("_", "."): tmp_path / part for part in texts}
    return list(parallel_rows.read(files, "sw", table={"form": "tsv"}, text="text", id="n"))


def test_translations_are_paired_by_id_over_all_parts_of_a_side(tmp_path):
    """SIB-200's files of a language are in another order each."""
    rows = sides(
        tmp_path, english_a="1\tone\n", english_b="2\ttwo\n", foreign="2\tmbili\n1\tmoja\n"
    )
    assert [(row["side"], row["text"], row["relevant"]) for row in rows] == [
        ("query", "one", ["1"]),
        ("query", "two", ["2"]),
        ("candidate", "mbili", []),
        ("candidate", "moja", []),
    ]


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [
        ("1\tmoja\n", r"english: 1 ids have no translation, such as '2'"),
        ("1\tmoja\n2\tmbili\n3\ttatu\n", r"foreign: 1 ids have no translation, such as '3'"),
        ("1\tmoja\n1\tmbili\n", r"foreign:3: the id '1' occurs twice"),
    ],
)
def test_a_sentence_without_its_translation_is_an_error(tmp_path, foreign, problem):
    with pytest.raises(MalformedFile, match=problem):
        sides(tmp_path, english="1\tone\n2\ttwo\n", foreign=foreign)


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
