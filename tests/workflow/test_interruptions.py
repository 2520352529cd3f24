"""Edits and kills in the middle of a run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from support.project import new_project

pytestmark = pytest.mark.workflow


def start(project, *arguments):
    environment = os.environ | {"PYTHONPATH": str(project.folder / "src")}
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=project.folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_for(project, pattern, seconds=120.0):
    """Wait until a file is there."""
    until = time.monotonic() + seconds
    while not list(project.folder.glob(pattern)):
        assert time.monotonic() < until, f"{pattern} did not come"
        time.sleep(0.05)


@pytest.mark.parametrize("moment", [0, 1])
def test_a_killed_run_goes_on_and_ends_the_same(moment, finished, tmp_path):
    """SIGKILL to everything at a random moment, again and again; then it ends with the same
    bytes as a run that was left alone, and nothing half-written is taken for whole."""
    project = new_project(tmp_path / "killed")
    chance = random.Random(moment)
    for _ in range(3):
        running = start(project)
        time.sleep(chance.uniform(5, 22))
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        project.snakemake("--unlock", check=False)
    project.snakemake()
    assert project.scores() == finished.scores()
    assert project.checkpoints() == finished.checkpoints()


def test_an_edit_of_the_library_in_mid_run_is_refused(finished, tmp_path):
    """A job that would run other code than the run began with stops; no stamp is wrong."""
    project = new_project(tmp_path / "edited")
    running = start(project)
    wait_for(project, "resources/checkpoints/**/stamp.json")
    project.edit(
        "src/xstilts/training/loop.py",
        "1.0 - learning_rate * self",
        "1.0 - 1.0 * learning_rate * self",
    )
    project.edit("src/xstilts/evaluation/score_line.py", "VERSION = 4", "VERSION = 4 * 1")
    output = running.communicate(timeout=300)[0]
    assert running.returncode
    assert "the library was edited after this run had started" in output
    made = project.checkpoints() | project.scores()
    whole = finished.checkpoints() | finished.scores()
    assert all(whole[path] == print_ for path, print_ in made.items())


def test_an_edit_of_the_study_in_mid_run_changes_nothing(finished, tmp_path):
    """A run ends with the study and the cards that it started with."""
    project = new_project(tmp_path / "edited")
    running = start(project)
    wait_for(project, "results/tiny/logs/train/**/*.log")
    project.study(training={"all": {"epochs": 2, "batch_size": 4, "max_length": 64}})
    project.edit("config/tasks/cldr_region.yaml", "recipe: cldr_region", "recipe: facts_nli")
    output = running.communicate(timeout=300)[0]
    assert running.returncode == 0, output
    assert project.scores() == finished.scores()
    assert project.checkpoints() == finished.checkpoints()
