"""What is known of retrieval without a model."""

from __future__ import annotations

import pytest

from support import tiny
from xstilts.tasks.retrieval.schema import SCHEMA

ROWS = tiny.translations(2)  # two queries, then their candidates


def test_an_example_is_a_query_or_a_candidate():
    """The fault names both."""
    assert list(SCHEMA.faults(ROWS[0], [])) == []
    (fault,) = SCHEMA.faults(ROWS[0] | {"side": "key"}, [])
    assert fault.startswith("unknown side 'key'")
    assert [SCHEMA.is_question(row) for row in ROWS] == [True, True, False, False]


@pytest.mark.parametrize("rows", [ROWS[:2], ROWS[2:]])
def test_there_are_queries_and_candidates(rows):
    """One side alone cannot be searched."""
    assert next(SCHEMA.faults_of_all(rows)) == "needs both queries and candidates"


def test_a_query_is_answered_by_candidates_that_exist():
    """Otherwise it could never be right."""
    assert list(SCHEMA.faults_of_all(ROWS)) == []
    assert list(SCHEMA.faults_of_all(ROWS[:3])) == ["example 'q1': no candidate has id 'c1'"]


def test_every_query_needs_a_right_candidate_but_in_a_bitext_one_query_does():
    """Most sentences of BUCC have no translation."""
    rows = [ROWS[0] | {"relevant": []}, *ROWS[1:]]
    assert len(list(SCHEMA.gold_faults(rows, "nearest"))) == 1
    assert list(SCHEMA.gold_faults(rows, "bucc")) == []
    none = [row | {"relevant": []} for row in rows]
    assert list(SCHEMA.gold_faults(none, "bucc")) == ["no query has a right candidate to score"]
