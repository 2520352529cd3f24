"""Rows of examples in parquet files, and the choice of some of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.data.examples import concatenated, first, read, subset, write
from xstilts.errors import DataError
from xstilts.tasks.registry import SCHEMAS

SCHEMA, PAIRS = SCHEMAS["classification"], SCHEMAS["retrieval"]


def test_examples_are_read_as_they_were_written(tmp_path):
    rows = tiny.sentences(3)
    assert write(tmp_path / "en.parquet", SCHEMA, rows) == 3
    assert [row["id"] for row in read(tmp_path / "en.parquet")] == [row["id"] for row in rows]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    for path in (one, two):
        write(path, SCHEMA, tiny.sentences(100))
    assert one.read_bytes() == two.read_bytes()


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "en.parquet"
    write(path, SCHEMA, tiny.sentences(3))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"en\.parquet: not a readable parquet file"):
        read(path)


@given(st.permutations([{"id": str(i)} for i in range(12)]), st.integers(1, 12))
def test_a_subset_does_not_depend_on_the_order_of_the_rows(rows, limit):
    """The same ids are drawn, in the order of the rows."""
    found = subset(SCHEMA, rows, limit, "task")
    ordered = subset(SCHEMA, sorted(rows, key=lambda r: int(r["id"])), limit, "task")
    assert len(found) == limit
    assert {r["id"] for r in found} == {r["id"] for r in ordered}
    assert found == [row for row in rows if row in found]


def test_a_smaller_subset_is_part_of_a_larger_one():
    """So that learning curves over max_examples are nested."""
    rows = [{"id": str(i)} for i in range(50)]
    drawn = [{r["id"] for r in subset(SCHEMA, rows, n, "task")} for n in (5, 20, 50)]
    assert drawn[0] < drawn[1] < drawn[2]


def test_tasks_draw_differently():
    """Ids of two tasks may be the same numbers."""
    rows = [{"id": str(i)} for i in range(50)]
    assert subset(SCHEMA, rows, 10, "a") != subset(SCHEMA, rows, 10, "b")


def test_a_subset_of_retrieval_is_of_queries_with_their_candidates():
    """A query without its relevant candidate could not be answered."""
    rows = tiny.translations(9)
    drawn = subset(PAIRS, rows, 4, "a")
    queries = [row for row in drawn if row["side"] == "query"]
    assert len(queries) == 4
    wanted = {name for row in queries for name in row["relevant"]}
    assert {row["id"] for row in drawn if row["side"] == "candidate"} == wanted
    assert subset(PAIRS, rows, 9, "a") == rows


def test_without_a_limit_or_with_a_large_one_all_examples_are_taken():
    rows = [{"id": "1"}]
    assert subset(SCHEMA, rows, None, "a") == subset(SCHEMA, rows, 5, "a") == rows


def test_parts_of_a_task_are_read_one_after_the_other(tmp_path):
    """The part's number precedes its ids, so that a subset draws from all parts."""
    parts = [
        tiny.split(tmp_path / f"{name}.json", "classification", tiny.sentences(n))
        for name, n in (("one", 3), ("two", 2))
    ]
    assert [row["id"] for row in concatenated(SCHEMA, parts)] == [
        "0:c0",
        "0:c1",
        "0:c2",
        "1:c0",
        "1:c1",
    ]
    assert [row["id"] for row in concatenated(SCHEMA, parts[:1])] == ["c0", "c1", "c2"]


def test_pairs_of_retrieval_hold_in_every_part(tmp_path):
    """A query names its relevant candidates by their new ids."""
    parts = [
        tiny.split(tmp_path / f"{name}.json", "retrieval", tiny.translations(n))
        for name, n in (("de", 2), ("sw", 3))
    ]
    rows = concatenated(PAIRS, parts)
    pairs = [(row["id"], row["relevant"]) for row in rows if row["side"] == "query"]
    assert pairs == [
        (f"{n}:q{i}", [f"{n}:c{i}"]) for n, i in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))
    ]
    assert [row["id"] for row in subset(PAIRS, rows, 5, "a")] == [row["id"] for row in rows]
    kept = subset(PAIRS, rows, 3, "a")
    candidates = {row["id"] for row in kept if row["side"] == "candidate"}
    assert candidates == {row["relevant"][0] for row in kept if row["side"] == "query"}
    assert len(candidates) == 3


def test_the_first_examples_of_retrieval_are_queries_with_their_candidates():
    """Wherever these lie: a query without its relevant candidate would be a certain error."""
    rows = tiny.translations(6)
    assert [row["id"] for row in first(PAIRS, rows, 2)] == ["q0", "q1", "c0", "c1"]
    rows = rows[:6] + rows[:5:-1]
    assert [row["id"] for row in first(PAIRS, rows, 2)] == ["q0", "q1", "c1", "c0"]


def test_the_first_examples_of_other_tasks_are_the_first_rows():
    rows = tiny.sentences(5)
    assert first(SCHEMA, rows, 2) == rows[:2]
    assert first(SCHEMA, rows, None) == rows
