"""What is known of tagging without a model."""

from __future__ import annotations

import pytest

from xstilts.tasks.tagging.schema import SCHEMA

ROW = {"id": "1", "tokens": ["a", "b"], "tags": ["O", "B-LOC"]}
LABELS = ["O", "B-LOC"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tags": ["O", "B-DATE"]}, "unknown tag 'B-DATE'"),
        ({"tags": ["O"]}, "has 2 tokens but 1 tags"),
        ({"tokens": [], "tags": []}, "has no tokens"),
    ],
)
def test_each_token_has_one_of_the_cards_tags(changes, fault):
    """Otherwise the sentence cannot be trained on or scored."""
    assert list(SCHEMA.faults(ROW, LABELS)) == []
    (found,) = SCHEMA.faults(ROW | changes, LABELS)
    assert found.startswith(fault)


def test_hidden_tags_are_no_fault_but_cannot_be_scored():
    """Some benchmarks hide the tags of their test sets."""
    hidden = ROW | {"tags": None}
    assert list(SCHEMA.faults(hidden, LABELS)) == []
    assert not SCHEMA.is_labelled(hidden)
    assert len(list(SCHEMA.gold_faults([ROW, hidden], "span_f1"))) == 1


def test_a_sentence_is_compared_as_text():
    """So that tokens and running text of one sentence are the same."""
    assert SCHEMA.comparable_text(ROW) == "a b"
