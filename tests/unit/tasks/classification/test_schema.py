"""What is known of classification without a model."""

from __future__ import annotations

from xstilts.tasks.classification.schema import SCHEMA

ROW = {"id": "1", "text": "a", "text_pair": "b", "label": "yes"}


def test_a_label_is_one_of_the_cards():
    """With those that the card lists; a hidden one is no fault."""
    assert list(SCHEMA.faults(ROW, ["yes", "no"])) == []
    assert list(SCHEMA.faults(ROW | {"label": None}, ["yes", "no"])) == []
    (fault,) = SCHEMA.faults(ROW | {"label": "yet"}, ["yes", "no"])
    assert fault.startswith("unknown label 'yet'; did you mean 'yes'?")


def test_a_hidden_label_is_no_label():
    """Training and development leave such examples out; a test set must not have them."""
    hidden = ROW | {"label": None}
    assert (SCHEMA.labels_of(ROW), SCHEMA.labels_of(hidden)) == (("yes",), ())
    assert SCHEMA.is_labelled(ROW)
    assert not SCHEMA.is_labelled(hidden)
    assert list(SCHEMA.gold_faults([ROW], "accuracy")) == []
    assert len(list(SCHEMA.gold_faults([hidden], "accuracy"))) == 1


def test_both_texts_are_compared():
    """Premises are shared by many hypotheses."""
    assert SCHEMA.comparable_text(ROW) == "a b"
    assert SCHEMA.comparable_text(ROW | {"text_pair": None}) == "a "
