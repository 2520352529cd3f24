"""Readers by name, what a card may ask of them, and files that no reader expects."""

from __future__ import annotations

import pytest

from xstilts.config.task_card import SplitSource
from xstilts.data import reading
from xstilts.data.readers import jsonl_rows
from xstilts.errors import MalformedFile, StudyError

TABLES = {"tables": {"*": {"form": "jsonl"}}, "text": "text"}


def source(reader="labelled_texts", options=TABLES, parts=("pairs",)):
    files = {part: {"path": part, "url": "https://x.org"} for part in parts}
    return SplitSource.model_validate({"reader": reader, "files": files, "options": options})


def test_helpers_are_no_readers():
    assert {"text", "records", "answers", "remarks", "options"}.isdisjoint(reading.readers())
    assert "squad_json" in reading.readers()


def test_a_card_that_its_reader_takes_has_no_problem():
    assert reading.source_problems(source()) == []
    assert reading.source_problems(source("squad_json", {"repair": True})) == []


TABLE = "reader labelled_texts: tables.*"


@pytest.mark.parametrize(
    ("reader", "options", "problem"),
    [
        ("squad_jsn", {}, "unknown reader 'squad_jsn'; did you mean 'squad_json'"),
        ("squad_json", {"repare": True}, "repare: unknown key 'repare'; did you mean 'repair'"),
        ("squad_json", {"repair": "yes"}, "repair: Input should be a valid boolean, not 'yes'"),
        ("labelled_texts", {}, "tables: is missing"),
        ("labelled_texts", {**TABLES, "txt": "text"}, "txt: unknown key 'txt'; did you mean 'text"),
        ("labelled_texts", {**TABLES, "labels": ["a"]}, "labels: must be a mapping of keys, not ["),
        ("labelled_texts", {**TABLES, "text": ""}, "text: String should have at least 1 character"),
        ("labelled_texts", TABLES | {"tables": {}}, "tables: must not be empty"),
        ("labelled_texts", TABLES | {"tables": {"*": {"form": "jsn"}}}, f"{TABLE}.form: Input"),
        ("labelled_texts", TABLES | {"tables": {"*": {"from": "csv"}}}, f"{TABLE}.from: unknown"),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"quoted": "yes"}}},
            f"{TABLE}.quoted: Input should be a valid boolean",
        ),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"form": "jsonl", "quoted": True}}},
            f"{TABLE}: form jsonl has no use for quoted",
        ),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"form": "lines"}}},
            f"{TABLE}: form lines needs one name in columns",
        ),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"delimiter": ";;"}}},
            f"{TABLE}.delimiter: ';;' must be one character",
        ),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"columns": ["a", "a"]}}},
            f"{TABLE}.columns: the column 'a' is named twice",
        ),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {"encoding": "utf-9"}}},
            f"{TABLE}.encoding: 'utf-9' is no encoding",
        ),
        ("labelled_texts", TABLES | {"tables": {"rows": {}}}, "options.tables: unknown part 'rows"),
        (
            "labelled_texts",
            TABLES | {"tables": {"*": {}, "pairs": {}}},
            "tables: '*' describes all parts",
        ),
        ("token_lines", {"separator": ""}, "separator: String should have at least 1"),
        ("token_lines", {"columns": "2"}, "columns: Input should be a valid integer, not '2'"),
        ("token_lines", {"tag": 5}, "options.tag: is 5, but a line has 2 cells, 0 to 1"),
        ("token_lines", {"token": -1}, "token: Input should be greater than or equal to 0"),
        ("parallel_lines", {}, "files: the reader parallel_lines needs the part 'english'"),
        ("copa_xml", {"prompt": "{question} {q}"}, "options.prompt: has 'q'; allowed: {premise}"),
    ],
)
def test_a_slip_in_a_card_is_found_before_anything_runs(reader, options, problem):
    """With the key, and what is allowed."""
    assert any(problem in line for line in reading.source_problems(source(reader, options)))


@pytest.mark.parametrize(
    ("reader", "options", "problem"),
    [
        (
            "labelled_texts",
            TABLES | {"label": "l", "labels": {"0": "yes", "1": "noo", "2": None}},
            "options.labels: unknown label 'noo'",
        ),
        ("token_lines", {"tags": {"B-DATE": "0"}}, "options.tags: unknown label '0'"),
        (
            "token_rows",
            {"tables": TABLES["tables"], "names": ["no", "B-PER", "B-DATE"]}
            | {"others": {"B-DATE": "no"}},
            "options.names: unknown label 'B-PER'",
        ),
        (
            "token_rows",
            {"tables": TABLES["tables"], "others": {"B-DATE": "O"}},
            "options.others: unknown label 'O'",
        ),
    ],
)
def test_an_option_gives_no_label_that_the_card_does_not_list(reader, options, problem):
    """A slip is found with the card, not hours later with the examples."""
    (found,) = reading.source_problems(source(reader, options), ["no", "yes"])
    assert found.startswith(problem)
    assert reading.source_problems(source(reader, options)) == []  # the examples tell the labels


def test_options_are_checked_before_a_file_is_read(tmp_path):
    with pytest.raises(StudyError, match="unknown key 'repare'"):
        reading.read("squad_json", {"a": tmp_path / "absent"}, "en", {"repare": True})


def test_a_fault_that_a_reader_does_not_expect_names_the_files_and_the_last_example(
    tmp_path, monkeypatch
):
    """A traceback would name neither."""

    def broken(files, language):
        yield {"id": "7"}
        raise KeyError("x")

    monkeypatch.setattr(jsonl_rows, "read", broken)
    reading.options_of.cache_clear()
    with pytest.raises(
        MalformedFile, match=r"b\.jsonl: the reader jsonl_rows cannot read it after .*'7'.*KeyError"
    ):
        reading.read("jsonl_rows", {"a": tmp_path / "b.jsonl"}, "en", {})
    reading.options_of.cache_clear()
