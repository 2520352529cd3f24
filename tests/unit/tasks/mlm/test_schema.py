"""What is known of text for masked language modelling without a model."""

from __future__ import annotations

from xstilts.tasks.mlm.schema import SCHEMA


def test_a_text_has_more_than_white_space():
    """Nothing could be masked in it."""
    assert list(SCHEMA.faults({"id": "1", "text": "a"}, [])) == []
    assert list(SCHEMA.faults({"id": "1", "text": " \n"}, [])) == ["has no text"]


def test_a_text_has_no_gold_answer():
    """It is mixed into a training, and never scored."""
    assert list(SCHEMA.gold_faults([{"id": "1", "text": "a"}], "none")) == []
