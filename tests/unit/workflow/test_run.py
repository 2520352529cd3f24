"""Runs: a dry run writes nothing, and every job works from the run file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.grids import identities
from support.runs import run_of
from support.stored import KEY, grid_in
from xstilts.errors import StudyError
from xstilts.grid.snapshot import latest_snapshot, snapshot_path
from xstilts.workflow.inputs import RuleInputs
from xstilts.workflow.run import (
    KEPT,
    ORDER,
    RUN_FILE,
    exit_on_error,
    folder_of_run,
    open_run,
    read_run,
)

REAL = {"executor": "local"}


@pytest.fixture
def grid(world):
    """A study that has not been run."""
    return grid_in(world, world.folder)


def everything_below(folder):
    return sorted(folder.rglob("*"))


class TestStart:
    @pytest.mark.parametrize(
        "options",
        [{}, REAL | {"dryrun": True}, REAL | {"touch": True}, REAL | {"main": False}],
        ids=["listing", "dry run", "touch", "job"],
    )
    def test_what_runs_no_job_writes_nothing(self, options, grid, world):
        """However much of the plan is asked for."""
        before = everything_below(world.folder)
        run = run_of(grid, **options)
        RuleInputs(run).final()
        assert run.changed == str(run.folder / "changed")
        assert everything_below(world.folder) == before

    def test_a_run_starts_when_its_first_mark_is_asked_for(self, grid):
        """It saves the snapshot and the run file."""
        run = run_of(grid, **REAL)
        assert not run.folder.exists()
        mark = run.mark("evaluate", KEY)
        assert mark == str(run.folder / "evaluate" / "tiny/nli/seed1/xqa.json")
        assert (run.folder / RUN_FILE).is_file()
        assert not Path(mark).exists()
        assert latest_snapshot(grid.paths.results) == snapshot_path(grid)

    def test_a_run_starts_once(self, grid):
        """Later marks write nothing."""
        run = run_of(grid, **REAL)
        run.mark("evaluate", KEY)
        before = (run.folder / RUN_FILE).read_bytes()
        run.mark("train", "elsewhere")
        assert (run.folder / RUN_FILE).read_bytes() == before

    def test_results_that_cannot_be_written_end_it_at_once(self, grid, world):
        """Rather than after hours of work."""
        (world.folder / "results").write_text("a file")
        with pytest.raises(SystemExit) as ended:
            run_of(grid, **REAL).mark("evaluate", KEY)
        assert str(ended.value) == (
            f"xstilts: results: {world.folder}/results cannot be written; "
            "choose another folder with the key 'results'"
        )

    def test_folders_of_killed_runs_are_removed_after_a_while(self, grid):
        """A recent one may be that of a run that goes on."""
        run = run_of(grid, **REAL)
        old, recent = run.folder.with_name("old"), run.folder.with_name("recent")
        for folder in (old, recent):
            folder.mkdir(parents=True)
        os.utime(old, (time.time() - KEPT - 60,) * 2)
        run.mark("evaluate", KEY)
        assert not old.exists()
        assert recent.exists()

    def test_a_stale_report_that_is_a_target_is_removed(self, grid):
        """Snakemake would take the file for finished."""
        report = grid.paths.report
        for target in ([], [str(report)]):
            grid.report.stamp.parent.mkdir(parents=True, exist_ok=True)
            grid.report.stamp.write_text('{"spec": "of another study"}')
            report.write_text("of another study")
            run_of(grid, **REAL, targets=target).mark("evaluate", KEY)
            assert report.exists() is (not target)


class TestRunFile:
    def test_a_job_works_from_what_the_run_started_with(self, grid, world):
        """Grid, forced rules and start, whatever is edited meanwhile."""
        before = time.time()
        run = run_of(grid, **REAL, forcerun=["evaluate"])
        run.mark("evaluate", KEY)
        world.change_card("nli", labels=["no", "yes"])
        of_job, forced, started = read_run(run.folder)
        assert identities(of_job) == identities(grid)
        assert forced == {"evaluate", "collect_scores", "write_report"}
        assert before <= started <= time.time()

    def test_a_job_finds_the_folder_of_its_run_by_its_marks(self, tmp_path):
        """Among its outputs, or its inputs if its output is a result."""
        folder = tmp_path / "results/small/.runs/20260101-000000-ab"
        mark = str(folder / "train/tiny/nli/seed1/qa.json")
        assert folder_of_run([mark]) == folder
        assert folder_of_run([str(tmp_path / "results/small/grid.parquet"), mark]) == folder
        assert folder_of_run([str(folder / "changed")]) == folder

    def test_a_job_without_a_mark_has_no_run(self):
        """The error names its paths."""
        with pytest.raises(StudyError, match=r"lies in a folder of \.runs/: a, b/c"):
            folder_of_run(["a", "b/c"])


@pytest.mark.parametrize("rule", ORDER)
def test_forcing_a_rule_forces_all_rules_after_it(rule, grid):
    """And none before it."""
    run = run_of(grid, forcerun=[rule])
    assert [name for name in ORDER if run.is_forced(name)] == [*ORDER[ORDER.index(rule) :]]


def test_an_expected_error_ends_the_process_with_a_line_for_each_problem():
    """No traceback."""

    def fail():
        raise StudyError("one problem\nanother")

    with pytest.raises(SystemExit) as ended:
        exit_on_error(fail)
    assert str(ended.value) == "xstilts: one problem\nxstilts: another"


def test_a_storage_provider_for_all_paths_is_refused(monkeypatch, tmp_path):
    """Scores and checkpoints, which no rule declares, would never reach it."""
    monkeypatch.setenv("PYTHONPATH", "")
    workflow = SimpleNamespace(
        is_main_process=True,
        output_settings=SimpleNamespace(dryrun=True),
        storage_settings=SimpleNamespace(default_storage_provider="gcs"),
    )
    with pytest.raises(SystemExit, match=r"--default-storage-provider gcs cannot .* 'resources:'"):
        open_run(workflow, {}, tmp_path)
