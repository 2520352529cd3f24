"""What the scoring of every type of task has, and what it inherits."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xstilts.tasks.registry import SCHEMAS, TASK_TYPES
from xstilts.tasks.scoring import constant_prediction, load_scoring

SCORED = [name for name in TASK_TYPES if SCHEMAS[name].gold is not None]


@pytest.mark.parametrize("name", SCORED)
def test_a_scoring_has_the_schema_of_its_type_and_reads_its_columns(name):
    """It is found by the name of the folder."""
    scoring = load_scoring(name)
    assert scoring.schema is SCHEMAS[name]
    assert set(scoring.columns) <= set(scoring.schema.columns().names)


@pytest.mark.parametrize("name", SCORED)
def test_scorers_with_a_threshold_are_scorers(name):
    """A slip in one of the two lists would leave the threshold out."""
    assert set(load_scoring(name).threshold_scorers) <= set(SCHEMAS[name].scorers)


def test_a_type_without_thresholds_says_so():
    """It is asked only about the scorers that it lists."""
    with pytest.raises(NotImplementedError, match="tagging: no scorer needs a threshold"):
        load_scoring("tagging").choose_threshold([], [])
    with pytest.raises(NotImplementedError, match="tagging: no scorer needs a threshold"):
        load_scoring("tagging").apply_threshold([], 0.5)


def test_no_scoring_needs_torch():
    """An audit scores stored predictions on machines that train nothing."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"  # an import of it raises
        "from xstilts.tasks.scoring import load_scoring\n"
        f"print([load_scoring(name) for name in {SCORED}])\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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


def test_a_constant_prediction_of_classes_is_a_warning():
    """Answers that are no classes may all be the same."""
    rows = [{"prediction": "a", "gold": gold} for gold in ("a", "b")]
    assert load_scoring("classification").warnings(rows) == ["majority_class"]
    assert load_scoring("span_qa").warnings(rows) == []
