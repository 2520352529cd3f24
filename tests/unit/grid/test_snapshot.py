"""Snapshots: a run works from a copy of its study that no edit reaches."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from support.grids import identities
from support.places import STUDIES
from support.world import CARDS, ENCODER, ROOT
from xstilts.config.yaml_models import read_yaml
from xstilts.errors import LineageError
from xstilts.grid.keys import TrainingKey
from xstilts.grid.opening import open_grid
from xstilts.grid.snapshot import latest_snapshot, load_snapshot, save_snapshot, snapshot_path
from xstilts.provenance import code as code_module
from xstilts.provenance.code import check_code


@pytest.fixture(params=["plain", "chosen", "replaced recipe", "unused task", "numbers as keys"])
def grid(request, world):
    """Grids whose snapshots were once refused, or gave another grid."""
    card = deepcopy(CARDS["xnli"])
    card["splits"]["test"]["options"] |= {"labels": {0: "yes", 10: "no"}}
    if request.param == "numbers as keys":
        world.write("tasks", card)
    return world.grid(
        **{
            "plain": {},
            "chosen": {
                "languages": {"xqa": "low_resource", "default": ["de"]},
                "training": {"all": {"learning_rate": 1.0e-5}, "recipe": {"epochs": 3}},
                "evaluation": {"max_examples": {"xqa": 3, "default": None}},
            },
            "replaced recipe": {"recipes": {"qa": "qa_part"}, "languages": "low_resource"},
            "unused task": {"training": {"tasks": {"topic": {"epochs": 1}}}},
            "numbers as keys": {},
        }[request.param]
    )


def test_it_is_the_same_grid(grid):
    """Every artefact has the same digest, or no job would start."""
    loaded = load_snapshot(save_snapshot(grid))
    assert identities(loaded) == identities(grid)
    assert loaded.resolved.score_keys() == grid.resolved.score_keys()
    assert snapshot_path(loaded) == snapshot_path(grid)


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_shipped_studies_survive_their_snapshots(path, tmp_path):
    """All that their cards say survives."""
    study = read_yaml(path) | {"results": str(tmp_path)}
    grid = open_grid(study, str(path), ROOT / "config", ROOT / "envs" / "lock.txt")
    assert identities(load_snapshot(save_snapshot(grid))) == identities(grid)


def test_an_edited_snapshot_is_refused(world):
    """Its name is the digest of what it says."""
    grid = world.grid()
    path = save_snapshot(grid)
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"environment": "mine"}))
    with pytest.raises(LineageError, match=r"json: was edited \(its name is the digest"):
        load_snapshot(path)


def test_a_missing_snapshot_is_named(tmp_path):
    """Someone cleaned the results while the run went on."""
    with pytest.raises(LineageError, match=r"gone\.json: cannot be read"):
        load_snapshot(tmp_path / "gone.json")


def test_later_edits_do_not_reach_it(world):
    """Of cards, of the language table, of anything under config/."""
    grid = world.grid()
    path = save_snapshot(grid)
    before = identities(grid)
    world.change_card("nli", labels=["no", "yes"])
    world.write("encoders", ENCODER | {"folder": "another"})
    (world.config / "languages.tsv").unlink()
    assert identities(load_snapshot(path)) == before


def test_the_same_study_has_one_snapshot(world):
    """However often it is run; beside it lies the name of the latest one."""
    assert save_snapshot(world.grid()) == save_snapshot(world.grid()) == snapshot_path(world.grid())
    assert len([*world.grid().paths.snapshots.glob("*.json")]) == 1


def test_edited_code_is_refused(world, monkeypatch):
    """The code digests are those of the time when the run started."""
    grid = world.grid()
    loaded = load_snapshot(save_snapshot(grid))
    artefact = loaded.training(TrainingKey("tiny", "none", 1, "qa"))
    check_code(artefact.modules, loaded.code_digest(artefact.modules))
    monkeypatch.setattr(
        code_module, "code_of", lambda modules: {"xstilts.training.train": "edited"}
    )
    with pytest.raises(LineageError, match="the library was edited after this run had started"):
        check_code(artefact.modules, loaded.code_digest(artefact.modules))


def test_the_files_of_local_encoders_survive(world):
    """As they were when the run started, whatever lies in their folder now."""
    folder = world.folder / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    world.write("encoders", ENCODER | {"folder": str(folder)})
    grid = world.grid()
    path, before = save_snapshot(grid), identities(grid)
    (folder / "config.json").write_text('{"hidden_size": 8}')
    assert identities(load_snapshot(path)) == before
    assert identities(world.grid()) != before


def test_the_latest_snapshot_is_that_of_the_last_run(world):
    """Also if that study was run before."""
    one, other = world.grid(), world.grid(seeds=[1])
    results = one.paths.results
    save_snapshot(one)
    save_snapshot(other)
    assert latest_snapshot(results) == snapshot_path(other)
    save_snapshot(one)
    assert latest_snapshot(results) == snapshot_path(one)


def test_a_study_that_was_never_run_has_no_latest_snapshot(tmp_path):
    """Nothing is created by the question."""
    assert latest_snapshot(tmp_path / "results") is None
    assert not (tmp_path / "results").exists()
