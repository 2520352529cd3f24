"""``xstilts claims``."""

from __future__ import annotations

import json

import pytest
import yaml

from support.stored import evaluate, finish, project_of, two_claims
from xstilts.cli.main import main
from xstilts.grid.keys import EvaluationKey


@pytest.fixture
def study(world, tmp_path):
    """The file of a study with two claims, and its grid."""
    (world.config / "claims.yaml").write_text(yaml.safe_dump(two_claims("xnli")))
    return project_of(world, tmp_path)


def run(world, path, *options):
    return main(["claims", str(path), "--cards", str(world.config), *options])


def test_every_claim_has_its_verdict(world, study, capsys):
    """In a table."""
    path, grid = study
    finish(grid)
    assert run(world, path) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 not testable So it is. Nothing tests it." in out
    assert "2 inconclusive NLI helps. nli 0.0, in points." in out


def test_a_grid_without_a_score_has_verdicts_too(world, study, capsys):
    """They say what is missing, and which command computes it."""
    path, _ = study
    assert run(world, path, "--json") == 0
    _, claim = json.loads(capsys.readouterr().out)
    assert claim["verdict"] == "not measured"
    assert claim["command"] == (
        f"snakemake --configfile {path} --until evaluate --config "
        "'conditions=[none,nli]' 'targets=[xnli]'"
    )
    assert sum(len(missing["languages"]) for missing in claim["missing"]) == 20


def test_scores_that_are_out_of_date_are_missing(world, study, capsys):
    """A verdict rests on scores of this very grid."""
    path, grid = study
    finish(grid)
    evaluate(grid, EvaluationKey("tiny", "nli", 2, "xnli"), spec="0" * 64)
    assert run(world, path, "--json") == 0
    _, claim = json.loads(capsys.readouterr().out)
    assert claim["sentence"] == ("5 scores are missing: of the condition nli, on the target xnli.")


def test_a_study_without_claims_says_where_they_are_explained(world, study, capsys):
    """It is no error."""
    path, _ = study
    (world.config / "claims.yaml").unlink()
    assert run(world, path) == 0
    assert "docs/claims.md says how to write some" in capsys.readouterr().out
