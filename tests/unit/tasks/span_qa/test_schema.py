"""What is known of span question answering without a model."""

from __future__ import annotations

import pytest

from xstilts.tasks.span_qa.schema import SCHEMA

ROW = {"id": "1", "context": "a é c", "question": "q", "answers": [{"text": "é", "start": 2}]}


@pytest.mark.parametrize(("text", "start"), [("é", 1), ("é", -1), ("", 2), ("x", 2)])
def test_an_answer_is_in_the_context_at_its_place(text, start):
    """Places are code points."""
    assert list(SCHEMA.faults(ROW, [])) == []
    (fault,) = SCHEMA.faults(ROW | {"answers": [{"text": text, "start": start}]}, [])
    assert fault == f"the answer {text!r} is not in the context at {start}"


def test_no_answer_is_right_in_squad_2_only():
    """Elsewhere the question could not be scored."""
    unanswerable = [ROW | {"answers": []}]
    assert list(SCHEMA.gold_faults(unanswerable, "squad2")) == []
    assert len(list(SCHEMA.gold_faults(unanswerable, "squad"))) == 1
