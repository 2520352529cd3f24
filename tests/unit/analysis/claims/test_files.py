"""Results as files: every number for programs, a row for people."""

from __future__ import annotations

import json

import pytest
import yaml

from support.judged import grid_of, table_of, verdict_on
from support.stored import finish, grid_in
from xstilts.analysis.claims import files
from xstilts.analysis.claims.show import read_rows, rows_of
from xstilts.analysis.table import collect
from xstilts.status.states import States

CLAIMS = {
    "claims": [
        {"id": 1, "text": "So it is.", "source": "me", "not_testable": "because"},
        {
            "id": 2,
            "text": "NLI helps.",
            "source": "me",
            "gain": {"conditions": ["nli"], "targets": ["xnli"]},
            "supported": "all > 0",
            "contradicted": "any < 0",
        },
    ]
}


@pytest.fixture(scope="module")
def results():
    """Those of a half-finished grid with several verdicts."""
    grid = grid_of("best")
    table = table_of(grid, lambda condition, target, language: 3.0)
    table = table[table["target"] != "tatoeba"]
    return [verdict_on(claim.id, grid, table) for claim in grid.resolved.claims.claims]


def test_json_holds_every_number(results):
    """Without NaN, which JSON does not have."""
    read = json.loads(json.dumps(files.as_json(results), allow_nan=False))
    assert [claim["id"] for claim in read] == [result.id for result in results]
    best = next(claim for claim in read if claim["id"] == "5t")
    (comparison,) = best["comparisons"]
    interval = comparison["languages_like_these"]
    assert interval["low"] < comparison["estimate"] < interval["high"]
    assert comparison["seeds"] == 4


def test_json_names_the_missing_scores_by_evaluation(results):
    """With their languages."""
    claim = next(claim for claim in files.as_json(results) if claim["id"] == "5")
    assert claim["verdict"] == "not measured"
    assert claim["missing"][0] == {
        "encoder": "xlm-r-large",
        "condition": "none",
        "seed": 1,
        "target": "tatoeba",
        "languages": ["ar", "de", "fi", "ja", "ru", "sw", "te", "zh"],
    }


def test_rows_survive_the_table(results, tmp_path):
    """Whatever their sentences hold."""
    path = tmp_path / "claims.tsv"
    path.write_text(files.as_tsv(results), encoding="utf-8")
    assert read_rows(path) == rows_of(results)


def test_the_same_scores_give_the_same_bytes(world, tmp_path):
    """With a stamp that the status believes."""
    (world.config / "claims.yaml").write_text(yaml.safe_dump(CLAIMS))
    grid = grid_in(world, tmp_path)
    finish(grid)
    assert States(grid).claims == "missing"
    files.write(grid, collect(grid))
    assert States(grid).claims == "done"
    first = grid.paths.claims.read_bytes(), grid.paths.claims_table.read_bytes()
    assert [row.verdict for row in read_rows(grid.paths.claims_table)] == [
        "not testable",
        "inconclusive",
    ]
    files.write(grid, collect(grid))
    assert (grid.paths.claims.read_bytes(), grid.paths.claims_table.read_bytes()) == first


def test_another_claim_makes_the_verdicts_stale_and_no_score(world, tmp_path):
    """What was computed does not depend on what is claimed of it."""
    (world.config / "claims.yaml").write_text(yaml.safe_dump(CLAIMS))
    grid = grid_in(world, tmp_path)
    finish(grid)
    files.write(grid, collect(grid))
    (world.config / "claims.yaml").write_text(yaml.safe_dump({"claims": CLAIMS["claims"][:1]}))
    states = States(grid_in(world, tmp_path))
    assert states.claims == "stale"
    assert all(states.evaluation(key) == "done" for key in grid.reads.evaluations())
