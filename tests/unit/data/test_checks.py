"""Examples that their card or their type of task does not allow: `xstilts.data.checks`."""

from __future__ import annotations

import pytest

from support import tiny
from support.world import task_card
from xstilts.config.task_card import TaskCard
from xstilts.config.yaml_models import load
from xstilts.data.checks import check_gold, check_labels, check_rows, labels_in
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
    with pytest.raises(DataError, match="toy/test/en: holds no examples"):
        check_rows(TEXTS, [], "toy/test/en")


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
