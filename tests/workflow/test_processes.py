"""Several processes for one training, started by a job of the workflow."""

from __future__ import annotations

import json

import pytest

from support.project import new_project

pytestmark = pytest.mark.workflow
CHECKPOINT = "results/tiny/checkpoints/tiny/none/seed1/cldr_region"


def test_a_training_is_spread_over_as_many_processes_as_the_study_says(tmp_path):
    """They import the job's script anew, and do not run it again."""
    project = new_project(tmp_path / "two")
    project.study(compute={"gpus": 2})
    project.snakemake(f"{CHECKPOINT}/stamp.json")
    stamp = json.loads((project.folder / CHECKPOINT / "stamp.json").read_bytes())
    assert stamp["facts"]["processes"] == 2
    (project.folder / CHECKPOINT / "stamp.json").unlink()
    project.snakemake(f"{CHECKPOINT}/stamp.json")
    log = project.path("results/tiny/logs/train/**/cldr_region.log").read_text()
    assert log == "made before: nothing to train\n"
