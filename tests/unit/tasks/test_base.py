"""What every type of task has, and what it inherits."""

from __future__ import annotations

import pytest

from xstilts.tasks.base import TaskModel, constant_prediction, load_model
from xstilts.tasks.registry import SCHEMAS, TASK_TYPES

MODELS = [name for name in TASK_TYPES if not SCHEMAS[name].is_plain_text]


@pytest.mark.parametrize("name", TASK_TYPES)
def test_a_model_has_the_schema_of_its_type(name):
    """They are found by the name of the folder."""
    assert load_model(name).schema is SCHEMAS[name]


@pytest.mark.parametrize("name", MODELS)
def test_scorers_with_a_threshold_are_scorers(name):
    """A slip in one of the two lists would leave the threshold out."""
    model = load_model(name)
    assert isinstance(model, TaskModel)
    assert set(model.THRESHOLD_SCORERS) <= set(SCHEMAS[name].scorers)


def test_examples_are_one_part_unless_a_type_says_otherwise():
    """Nothing is shared between languages."""
    assert load_model("tagging").parts([{"id": "1"}, {"id": "2"}]) == [[0, 1]]


def test_a_type_without_thresholds_says_so():
    """It is asked only about the scorers that it lists."""
    with pytest.raises(NotImplementedError, match="tagging: no scorer needs a threshold"):
        load_model("tagging").choose_threshold([], [])
    with pytest.raises(NotImplementedError, match="tagging: no scorer needs a threshold"):
        load_model("tagging").apply_threshold([], 0.5)


@pytest.mark.parametrize(
    ("predicted", "gold", "constant"),
    [
        (["a", "a"], ["a", "b"], True),
        (["a", "b"], ["a", "b"], False),
        (["a", "a"], ["a", "a"], False),
        ([["O"], ["O", "O"]], [["O"], ["O", "B"]], True),
        ([["O"], ["O", "B"]], [["O"], ["O", "B"]], False),
    ],
)
def test_a_constant_prediction_where_gold_answers_differ_is_found(predicted, gold, constant):
    """Tags are compared one by one: sentences have different lengths."""
    rows = [{"prediction": p, "gold": g} for p, g in zip(predicted, gold, strict=True)]
    assert constant_prediction(rows) is constant
