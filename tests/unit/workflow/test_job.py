"""The frame of every script: its run, its log, its state, its errors, its mark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.grids import identities
from support.runs import run_of
from support.stored import KEY, grid_in
from xstilts.errors import DataError
from xstilts.provenance.files import read_json
from xstilts.runtime.job_state import read_state
from xstilts.workflow.job import job


@pytest.fixture
def grid(world):
    """A study that has not been run."""
    return grid_in(world, world.folder)


@pytest.fixture
def snakemake(grid):
    """What Snakemake gives the script of an evaluation, in a run that has started."""

    def of(rule="evaluate", **options):
        mark = run_of(grid, executor="local", **options).mark("evaluate", KEY)
        log = grid.paths.log("evaluate", KEY)
        return SimpleNamespace(rule=rule, log=[str(log)], output=[mark], input=[])

    return of


def test_a_job_works_on_the_grid_of_its_run(grid, snakemake):
    """It finds the run by its mark."""
    with job(snakemake()) as this:
        assert identities(this.grid) == identities(grid)
        assert this.redo_before is None


def test_a_forced_job_computes_again_what_is_older_than_its_run(snakemake):
    """Also as a rule of a module, which has a prefix."""
    for rule in ("evaluate", "ours.evaluate"):
        with job(snakemake(rule, forcerun=["train"])) as this:
            assert this.redo_before is not None


def test_its_prints_are_its_log(grid, snakemake, capsys):
    """Snakemake shows nothing of them."""
    with job(snakemake()):
        print("half done")
    assert grid.paths.log("evaluate", KEY).read_text() == "half done\n"
    assert capsys.readouterr().out == ""


def test_a_job_that_ends_well_leaves_its_mark(grid, snakemake):
    """Only then."""
    of_job = snakemake()
    with job(of_job):
        assert not Path(of_job.output[0]).exists()
    assert read_json(Path(of_job.output[0])) == {"rule": "evaluate"}
    assert read_state(grid.paths.log("evaluate", KEY)).outcome == "ok"


def test_a_result_is_no_mark(grid, snakemake):
    """Its script has written it; the frame leaves it alone."""
    of_job = snakemake()
    of_job.input, of_job.output = of_job.output, [str(grid.paths.table)]
    with job(of_job):
        pass
    assert not grid.paths.table.exists()


@pytest.mark.parametrize("error", [DataError("a row lacks its label"), OSError(28, "disk full")])
def test_an_expected_error_is_one_line(error, grid, snakemake):
    """It leaves no mark, and the state says why."""
    of_job = snakemake()
    with pytest.raises(SystemExit) as ended, job(of_job):
        raise error
    assert str(ended.value) == f"xstilts: evaluate: {error}"
    assert not Path(of_job.output[0]).exists()
    state = read_state(grid.paths.log("evaluate", KEY))
    assert (state.outcome, state.reason) == ("failed", f"xstilts: evaluate: {error}")


def test_an_unexpected_error_keeps_its_traceback(grid, snakemake):
    """In the log, for whoever mends it."""
    with pytest.raises(ZeroDivisionError), job(snakemake()):
        print(1 / 0)
    assert "ZeroDivisionError" in grid.paths.log("evaluate", KEY).read_text()


def test_a_job_starts_without_snakemake_and_torch():
    """Each job is a process of its own, and both take seconds of a processor to import."""
    code = (
        "import sys, xstilts.workflow.job, xstilts.workflow.jobs\n"
        "print(*{'snakemake', 'torch', 'pandas', 'transformers', 'datasets'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
