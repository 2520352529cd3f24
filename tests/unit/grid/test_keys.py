"""Keys: their texts are the ends of paths, and the titles of jobs."""

from __future__ import annotations

import pytest

from xstilts.grid.keys import INTERMEDIATE, EvaluationKey, TrainingKey, stage_kind


def test_a_training_is_named_by_its_place():
    """As the folders of checkpoints and the wildcards of rules."""
    key = TrainingKey("tiny", "nli@de+mlm", 2, INTERMEDIATE)
    assert str(key) == "tiny/nli@de+mlm/seed2/intermediate"
    assert f"train {key}" == "train tiny/nli@de+mlm/seed2/intermediate"


def test_an_evaluation_is_named_by_its_place():
    """As the folders of scores and the wildcards of rules."""
    assert str(EvaluationKey("tiny", "none", 1, "xqa")) == "tiny/none/seed1/xqa"


@pytest.mark.parametrize(
    ("stage", "kind"), [(INTERMEDIATE, "intermediate"), ("nli", "recipe"), ("qa", "recipe")]
)
def test_every_stage_but_the_intermediate_one_is_a_recipe(stage, kind):
    """It decides which of a study's hyperparameters hold."""
    assert stage_kind(stage) == kind
