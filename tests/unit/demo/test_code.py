"""The embedded benchmark's code is a part of the identity of what it makes, and of nothing else."""

from __future__ import annotations

import pytest

from support.places import ROOT
from xstilts.config.yaml_models import read_yaml
from xstilts.grid.opening import open_grid
from xstilts.provenance.code import code_of


@pytest.fixture(scope="module")
def grid_of():
    def open_study(name):
        path = ROOT / "config" / name
        return open_grid(read_yaml(path), str(path), ROOT / "config", ROOT / "envs" / "lock.txt")

    return open_study


def demo_modules(artefact) -> set[str]:
    return {name for name in code_of(artefact.modules) if name.startswith("xstilts_demo.")}


def test_embedded_examples_are_decided_by_all_that_makes_their_rows(grid_of):
    grid = grid_of("config.yaml")
    makers = {f"xstilts_demo.{name}" for name in ("build", "cldr", "draw", "rows", "targets")}
    for task, split, _ in grid.reads.needed_examples():
        assert makers <= demo_modules(grid.examples(task, split))


def test_a_packed_encoder_is_decided_by_the_code_that_unpacks_it(grid_of):
    grid = grid_of("config.yaml")
    assert demo_modules(grid.encoder(grid.study.encoders[0])) == {"xstilts_demo.e5s"}


def test_real_benchmarks_are_not_touched(grid_of):
    grid = grid_of("pilot.yaml")
    artefacts = [grid.examples(task, split) for task, split, _ in grid.reads.needed_examples()]
    assert artefacts
    assert not any(demo_modules(artefact) for artefact in artefacts)


def test_no_training_is_touched(grid_of):
    grid = grid_of("config.yaml")
    assert not any(demo_modules(grid.training(key)) for key in grid.reads.trainings())
