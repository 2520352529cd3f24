"""What the model of every type of task has, and what it inherits."""

from __future__ import annotations

import pytest

from xstilts.tasks.base import load_model
from xstilts.tasks.registry import SCHEMAS, TASK_TYPES


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_model_has_the_schema_of_its_type(name):
    """They are found by the name of the folder."""
    assert load_model(name).schema is SCHEMAS[name]


def test_examples_are_one_part_unless_a_type_says_otherwise():
    """Nothing is shared between languages."""
    assert load_model("tagging").parts([{"id": "1"}, {"id": "2"}]) == [[0, 1]]
