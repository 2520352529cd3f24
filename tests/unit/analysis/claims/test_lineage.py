"""What scores were computed from, as the grid plans it and as the stamps on disk show it."""

from __future__ import annotations

import shutil

import pytest
import yaml

from support.stored import RECIPE, START, finish, grid_in
from xstilts.analysis.claims.evaluate import evaluate_claims
from xstilts.analysis.table import collect
from xstilts.provenance.files import read_json
from xstilts.provenance.stamp import write_stamp

LINEAGE = {"conditions": ["nli", "choice"], "targets": "every", "without_recipe": ["pairs"]}


@pytest.fixture
def finished(world, tmp_path):
    """A finished study whose claim is about its lineage, and its table."""

    def make(lineage=LINEAGE, **changes):
        claim = {"id": "mine", "text": "Three phases.", "source": "me", "lineage": lineage}
        (world.config / "claims.yaml").write_text(yaml.safe_dump({"claims": [claim]}))
        grid = grid_in(world, tmp_path, **changes)
        finish(grid)
        return grid, collect(grid)

    return make


def judged(grid, table):
    (result,) = evaluate_claims(grid, table)
    return result.verdict, result.sentence


def test_a_finished_study_has_the_three_phases(finished):
    """Two intermediate stages and two recipes after each, with two seeds; three targets."""
    verdict, sentence = judged(*finished())
    assert verdict == "supported"
    assert sentence == (
        "The stamps of 12 checkpoints and 12 evaluations show the phases; each changed the weights."
    )


def test_training_in_another_language_is_not_english(finished):
    """The condition's name says so, and the plan."""
    verdict, sentence = judged(
        *finished(LINEAGE | {"conditions": ["news@de"]}, conditions=["none", "news@de"])
    )
    assert verdict == "contradicted"
    assert sentence.startswith("tiny/news@de/seed1/intermediate: is trained in de")


def test_a_target_that_is_fine_tuned_although_the_claim_says_it_is_not(finished):
    """And the other way round."""
    verdict, sentence = judged(*finished(LINEAGE | {"without_recipe": ["pairs", "xnli"]}))
    assert verdict == "contradicted"
    assert "tiny/nli/seed1/xnli: is fine-tuned before it is scored" in sentence
    verdict, sentence = judged(*finished(LINEAGE | {"without_recipe": []}))
    assert verdict == "contradicted"
    assert "tiny/nli/seed1/pairs: is not fine-tuned before it is scored" in sentence


def test_the_baseline_has_no_intermediate_stage(finished):
    """A claim that takes it for a condition is wrong."""
    verdict, sentence = judged(*finished(LINEAGE | {"conditions": ["none"]}))
    assert verdict == "contradicted"
    assert "tiny/none/seed1/xnli: has no intermediate stage" in sentence


def test_a_training_that_changed_no_weight_is_noticed(finished):
    """Its weights are those that it started from."""
    grid, table = finished()
    artefact, start = grid.training(RECIPE), grid.training(START)
    weights = artefact.folder / "weights.safetensors"
    shutil.copy(start.folder / "weights.safetensors", weights)
    inputs = read_json(artefact.stamp)["inputs"]
    write_stamp(artefact.stamp, spec=artefact.digest, inputs=inputs, files=[weights])
    verdict, sentence = judged(grid, table)
    assert verdict == "contradicted"
    assert sentence.startswith(f"{RECIPE}: has the weights that it started from")


def test_checkpoints_that_were_deleted_show_nothing(finished):
    """The scores remain valid, but nobody can look at what they come from."""
    grid, table = finished()
    shutil.rmtree(grid.training(RECIPE).folder)
    verdict, sentence = judged(grid, table)
    assert verdict == "inconclusive"
    assert sentence.startswith("1 of 12 checkpoints are no longer on disk")


def test_a_score_that_is_missing_is_not_judged(finished):
    """Of the others nothing is said either."""
    grid, table = finished()
    verdict, sentence = judged(grid, table[table["language"] != "yo"])
    assert verdict == "not measured"
    assert sentence == ("4 scores are missing: of the conditions nli, choice, on the target xnli.")


def test_a_study_without_the_conditions_is_not_judged(finished):
    """It has other ones."""
    verdict, sentence = judged(*finished(LINEAGE | {"conditions": ["topic"]}))
    assert (verdict, sentence) == ("not measured", "This study lacks the condition topic.")
