"""What is known of multiple choice without a model."""

from __future__ import annotations

import pytest

from xstilts.tasks.multiple_choice.schema import SCHEMA

ROW = {"id": "1", "prompt": "p", "choices": ["a", "b"], "label": 1}


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"label": None}, []),
        ({"label": 2}, ["label 2 points at none of the 2 choices (0 to 1)"]),
        ({"label": -1}, ["label -1 points at none of the 2 choices (0 to 1)"]),
        ({"choices": ["a"], "label": 0}, ["has 1 choices, needs at least 2"]),
    ],
)
def test_a_label_points_at_one_of_several_choices(changes, faults):
    """From 0."""
    assert list(SCHEMA.faults(ROW | changes, [])) == faults


def test_an_example_without_a_label_cannot_be_scored():
    """The first choice has the label 0, which is one."""
    assert SCHEMA.labels_of(ROW | {"label": 0}) == (0,)
    assert list(SCHEMA.gold_faults([ROW | {"label": 0}], "accuracy")) == []
    assert len(list(SCHEMA.gold_faults([ROW | {"label": None}], "accuracy"))) == 1
