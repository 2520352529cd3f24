"""Examples that their card or their type of task does not allow: `xstilts.data.checks`."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support import tiny
from support.world import task_card
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load
from xstilts.data.checks import (
    check_examples,
    check_gold,
    check_labels,
    check_rows,
    check_texts,
    labels_in,
)
from xstilts.data.reading import Reading
from xstilts.errors import DataError
from xstilts.tasks.registry import SCHEMAS

TEXTS = SCHEMAS["classification"]
ROWS = tiny.sentences(100)


def card(**changes):
    kind = ("classification", "jsonl_rows", "accuracy", "accuracy")
    made = task_card("toy", kind, {"test": ["en"]}, labels=["yes", "no"])
    return load(TaskCard, made | changes, "card.yaml")


def test_examples_have_exactly_the_columns_of_their_type():
    """A reader's slip ends here, with the number of the row."""
    check_rows(TEXTS, ROWS, "toy/test/en")
    with pytest.raises(DataError, match=r"toy/test/en: row 2: expected the columns \['id', "):
        check_rows(TEXTS, [ROWS[0], {"id": "2"}], "toy/test/en")


def test_no_examples_at_all_are_refused_with_the_remarks_that_say_why():
    """A treebank whose words are withheld, for instance."""
    reading = Reading([], Counter({"sentence left out: no words": 7}))
    with pytest.raises(
        DataError, match=r"toy/test/en: holds no examples \(7 x sentence left out: no words\)"
    ):
        check_examples(card(), TEXTS, reading, "toy/test/en", scored=True)


@pytest.mark.parametrize(
    ("task_type", "change", "problem"),
    [
        ("classification", {"text": None}, "text: expected a text, found None"),
        ("classification", {"text": "\ud83d"}, "text: half of a surrogate pair"),
        ("classification", {"id": 5}, "id: expected a text, found 5"),
        ("multiple_choice", {"choices": ["a", None]}, "choices: expected a text, found None"),
        ("multiple_choice", {"choices": "ab"}, "choices: expected a list, found 'ab'"),
        ("multiple_choice", {"label": True}, "label: expected a number, found True"),
        ("multiple_choice", {"label": 2**31}, "label: 2147483648 is no number of type int32"),
        ("span_qa", {"answers": [{"text": "a"}]}, "answers: expected an object of text, start"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_row_and_column(task_type, change, problem):
    """Parquet would refuse it without either."""
    row = {
        "classification": {"id": "1", "text": "a", "text_pair": None, "label": "yes"},
        "multiple_choice": {"id": "1", "prompt": "a", "choices": ["a", "b"], "label": 0},
        "span_qa": {"id": "1", "context": "a", "question": "a", "answers": []},
    }[task_type]
    with pytest.raises(DataError, match=rf"toy/test/en: row 1, id \S+: {re.escape(problem)}"):
        check_rows(SCHEMAS[task_type], [row | change], "toy/test/en")


def test_a_few_empty_texts_are_counted_and_many_are_refused():
    """Benchmarks have some; a card that names another column has many."""
    rows = tiny.sentences(200)
    remarks = check_texts(TEXTS, [rows[0] | {"text": " "}, *rows[1:]], "toy/test/en")
    assert remarks == {"example kept: its text is empty": 1}
    with pytest.raises(DataError, match="text: 200 of 200 examples have an empty text, such as"):
        check_texts(TEXTS, [row | {"text": ""} for row in rows], "toy/test/en")


def test_an_id_stands_once():
    """A query and a candidate may share one: each is found among its own side."""
    with pytest.raises(DataError, match="two examples have the id 'c0'"):
        check_rows(TEXTS, [ROWS[0], ROWS[1], ROWS[0]], "toy/test/en")
    pair = [
        {"id": "1", "side": side, "text": "a", "relevant": []} for side in ("query", "candidate")
    ]
    check_rows(SCHEMAS["retrieval"], pair, "toy/test/en")
    with pytest.raises(DataError, match="two examples have the id '1'"):
        check_rows(SCHEMAS["retrieval"], [*pair, pair[0]], "toy/test/en")


def test_labels_from_the_data_that_the_scorer_confuses_are_refused():
    """They are known only once the data are read."""
    kind = ("tagging", "token_lines", "span_f1", "f1")
    made = load(TaskCard, task_card("x", kind, {"train": ["en"]}, labels="from_data"), "card.yaml")
    rows = [{"id": "1", "tokens": ["a", "b"], "tags": ["B-per", "U-per"]}]
    with pytest.raises(DataError, match="x/train/en: span_f1: unknown form of label 'U-per'"):
        check_labels(made, SCHEMAS["tagging"], rows, "x/train/en")


def test_placeholder_labels_are_refused():
    """XTREME's downloader writes one constant over most test labels."""
    rows = [row | {"label": "yes"} for row in ROWS]
    with pytest.raises(
        DataError, match="all 100 labels are 'yes': this copy has placeholder labels"
    ):
        check_labels(card(), TEXTS, rows, "toy/test/en")
    check_labels(card(), TEXTS, rows[:99], "toy/test/en")
    check_labels(card(), TEXTS, ROWS, "toy/test/en")


def test_a_faulty_example_is_named():
    """The card says which labels there are, unless the examples do."""
    with pytest.raises(DataError, match="toy/test/en: example 'c0': unknown label 'yes'"):
        check_labels(card(labels=["no"]), TEXTS, ROWS, "toy/test/en")
    check_labels(card(labels="from_data"), TEXTS, ROWS, "toy/test/en")
    assert labels_in(TEXTS, ROWS) == ["no", "yes"]


def test_a_test_example_without_gold_is_refused():
    """Scored, it would count as an error."""
    check_gold(card(), TEXTS, ROWS, "toy/test/en")
    with pytest.raises(DataError, match="toy/test/en: example 'c0': has no gold answer to score"):
        check_gold(card(), TEXTS, [ROWS[0] | {"label": None}], "toy/test/en")
