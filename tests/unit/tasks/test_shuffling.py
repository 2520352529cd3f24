"""Shuffled answers: the text stays, its sense goes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.tasks.registry import SCHEMAS, shuffle_modules
from xstilts.tasks.shuffling import permuted, shuffled, with_permuted
from xstilts.tasks.span_qa.shuffle import placed_span

ANSWER = {
    "classification": "label",
    "multiple_choice": "label",
    "tagging": "tags",
    "span_qa": "answers",
    "document_qa": "annotations",
    "retrieval": "relevant",
}
"""The column of the answer in each type that can be trained on."""
SEED = 7


def rows_of(task_type, n=60):
    if task_type == "retrieval":
        return tiny.translations(n)
    return tiny.ROWS_OF[task_type][0](n)


def answers_of(task_type, rows):
    """The answers as far as they fit any example."""
    answers = [row[ANSWER[task_type]] for row in rows]
    if task_type == "tagging":
        return Counter(tag for tags in answers for tag in tags)
    if task_type == "span_qa":
        return Counter(len(spans) for spans in answers)
    if task_type == "document_qa":
        return Counter((a["passage"] < 0, a["yes_no"]) for found in answers for a in found)
    return Counter(map(str, answers))


@pytest.mark.parametrize("task_type", ANSWER)
class TestEveryType:
    def test_all_but_the_answers_stays_in_its_place(self, task_type):
        """Text, length and order are those of the task."""
        column, rows = ANSWER[task_type], rows_of(task_type)
        found = shuffled(SCHEMAS[task_type], rows, SEED)
        without = [{k: v for k, v in row.items() if k != column} for row in rows]
        assert [{k: v for k, v in row.items() if k != column} for row in found] == without

    def test_the_answers_are_distributed_as_before(self, task_type):
        """Each label as often, as many questions without an answer."""
        rows = rows_of(task_type)
        found = shuffled(SCHEMAS[task_type], rows, SEED)
        assert answers_of(task_type, found) == answers_of(task_type, rows)

    def test_most_examples_have_another_answer_s_place(self, task_type):
        """Else the control would teach the task."""
        column, rows = ANSWER[task_type], rows_of(task_type)
        found = shuffled(SCHEMAS[task_type], rows, SEED)
        moved = sum(one[column] != two[column] for one, two in zip(rows, found, strict=True))
        asked = sum(bool(row[column] not in (None, [])) for row in rows)
        assert moved > asked / 4

    def test_every_example_is_still_right_by_its_schema(self, task_type):
        """The answers fit the examples that they are given to."""
        schema, rows = SCHEMAS[task_type], rows_of(task_type)
        labels = tiny.ROWS_OF.get(task_type, (None, ()))[1]
        found = shuffled(schema, rows, SEED)
        assert [fault for row in found for fault in schema.faults(row, labels)] == []
        assert list(schema.faults_of_all(found)) == []

    def test_the_seed_decides_the_order(self, task_type):
        """Another seed is another draw of the control."""
        schema, rows = SCHEMAS[task_type], rows_of(task_type)
        assert shuffled(schema, rows, SEED) == shuffled(schema, rows, SEED)
        assert shuffled(schema, rows, SEED) != shuffled(schema, rows, SEED + 1)

    def test_the_examples_that_it_is_given_do_not_change(self, task_type):
        """They may be those of another condition."""
        rows = rows_of(task_type)
        shuffled(SCHEMAS[task_type], rows, SEED)
        assert rows == rows_of(task_type)


class TestDefault:
    def test_a_hidden_label_stays_hidden(self):
        """It is no answer to give away."""
        rows = [{"label": label} for label in ("yes", None, "no", None, "yes")]
        found = [row["label"] for row in with_permuted(rows, "label", SEED)]
        assert [label is None for label in found] == [False, True, False, True, False]

    def test_a_type_without_a_module_of_its_own_has_the_default(self):
        """So has a type that somebody adds."""
        assert shuffle_modules("classification") == ["xstilts.tasks.shuffling"]
        assert shuffle_modules("tagging")[1:] == ["xstilts.tasks.tagging.shuffle"]

    @given(st.lists(st.integers()), st.integers(0, 2**63))
    def test_a_permutation_keeps_the_values(self, values, seed):
        """Each as often."""
        assert Counter(permuted(values, seed)) == Counter(values)


class TestMultipleChoice:
    def test_a_label_goes_to_an_example_with_as_many_choices(self):
        """The fourth choice of two would be none."""
        rows = [{"choices": ["a"] * (2 + i % 3), "label": 1 + i % 3} for i in range(30)]
        for row in shuffled(SCHEMAS["multiple_choice"], rows, SEED):
            assert row["label"] == len(row["choices"]) - 1


class TestSpans:
    @given(st.data())
    def test_a_span_stays_inside(self, data):
        """Whatever the lengths of the two texts."""
        length, other = (data.draw(st.integers(1, 50)) for _ in range(2))
        size = data.draw(st.integers(1, length))
        start = data.draw(st.integers(0, length - size))
        begin, width = placed_span(start, size, length, other)
        assert 0 <= begin <= begin + width <= other
        assert width == min(size, other)

    def test_a_text_of_the_same_length_has_it_at_the_same_place(self):
        """As far from both ends."""
        assert placed_span(10, 5, 25, 25) == (10, 5)

    def test_an_answer_is_never_white_space(self):
        """No token would cover it."""
        rows = [
            {"context": "a b c d e f", "answers": [{"text": "b", "start": 2}]},
            {"context": "xy z", "answers": [{"text": "x", "start": 0}]},
            {"context": "ab            cd", "answers": [{"text": "d", "start": 15}]},
        ] * 5
        for seed in range(10):
            for row in shuffled(SCHEMAS["span_qa"], rows, seed):
                assert all(answer["text"].strip() for answer in row["answers"])

    def test_unanswerable_questions_are_as_many(self):
        """SQuAD 2.0 has them."""
        rows = tiny.questions(30)
        rows = [row | {"answers": []} if i % 3 else row for i, row in enumerate(rows)]
        found = shuffled(SCHEMAS["span_qa"], rows, SEED)
        assert sum(not row["answers"] for row in found) == sum(not row["answers"] for row in rows)
