"""What of a grid is there, told from its files alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter

import pytest
from rich.console import Console

from support.stored import evaluate, grid_in, train
from xstilts.evaluation import scores
from xstilts.runtime.job_state import state_file
from xstilts.status import overview, show


@pytest.fixture
def grid(world, tmp_path):
    """A small study with nothing in it: 2 seeds, 4 conditions, 3 targets, 11 languages."""
    return grid_in(world, tmp_path)


def say(grid, place, **changes):
    """Leave the state of a job."""
    log = grid.paths.results / "logs" / f"{place}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    says = {"state": "running", "started": "t", "host": "node7", "pid": 1, "slurm_job": "42"}
    state_file(log).write_text(json.dumps(says | changes))
    return log


class TestLook:
    def test_nothing_is_there(self, grid):
        picture = overview.look(grid)
        assert picture.trainings == {"missing": len(grid.reads.trainings())}
        assert picture.cells == {"missing": len(grid.resolved.cells())}
        assert picture.jobs == []

    def test_a_training_counts_once_it_is_stamped_with_the_right_spec(self, grid, world, tmp_path):
        train(grid, ("tiny", "none", 1, "qa"))
        assert overview.look(grid).trainings["done"] == 1
        changed = grid_in(world, tmp_path, training={"all": {"epochs": 1}})
        assert overview.look(changed).trainings == Counter(
            stale=1, missing=len(grid.reads.trainings()) - 1
        )

    def test_cells_are_counted_by_condition_and_target(self, grid):
        train(grid, ("tiny", "none", 1, "qa"))
        evaluate(grid, "tiny", "none", 1, "xqa", languages=["en", "de", "sw"])
        assert overview.look(grid).by_place["tiny", "none", "xqa"] == {"done": 3, "missing": 5}

    def test_a_cell_of_another_spec_or_another_checkpoint_is_stale(self, grid):
        key = ("tiny", "none", 1, "qa")
        train(grid, key)
        evaluate(grid, "tiny", "none", 1, "xqa", spec="0" * 64)
        assert overview.look(grid).by_place["tiny", "none", "xqa"]["stale"] == 4
        evaluate(grid, "tiny", "none", 1, "xqa")
        assert overview.look(grid).by_place["tiny", "none", "xqa"]["done"] == 4
        train(grid, key, salt="other weights")
        assert overview.look(grid).by_place["tiny", "none", "xqa"]["stale"] == 4

    def test_a_cell_whose_predictions_may_be_lost_is_stale(self, grid):
        """As a run would make it again."""
        evaluate(grid, "tiny", "none", 1, "xqa", languages=["en", "de", "sw"])
        scores.archive(grid.paths.scores("tiny", "none", 1, "xqa")).unlink()
        assert overview.look(grid).by_place["tiny", "none", "xqa"] == {"stale": 3, "missing": 5}

    def test_a_line_that_was_cut_off_is_missing(self, grid):
        evaluate(grid, "tiny", "none", 1, "xqa")
        path = grid.paths.results / "cells/tiny/none/seed1/xqa.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
        assert overview.look(grid).by_place["tiny", "none", "xqa"]["done"] == 3

    def test_a_line_counts_however_it_is_spaced(self, grid):
        """A file of cells may have been in an editor."""
        evaluate(grid, "tiny", "none", 1, "xqa")
        path = grid.paths.results / "cells/tiny/none/seed1/xqa.jsonl"
        lines = [json.dumps(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines))
        assert overview.look(grid).by_place["tiny", "none", "xqa"]["done"] == 4

    def test_a_job_at_work_makes_what_it_makes_running(self, grid):
        say(grid, "train/tiny/nli/seed1/intermediate")
        curve = grid.checkpoint_stamp("tiny", "nli", 1, "intermediate").parent / "log.jsonl"
        curve.parent.mkdir(parents=True)
        curve.write_text('{"step": 30, "of": 100, "seconds_left": 70.5}\n')
        picture = overview.look(grid)
        assert picture.trainings["running"] == 1
        (job,) = picture.jobs
        assert job.title == "train tiny/nli/seed1/intermediate"
        assert (job.step, job.of, job.seconds_left) == (30, 100, 70.5)
        assert (job.host, job.slurm_job) == ("node7", "42")

    def test_a_failed_job_gives_its_reason_and_its_log(self, grid):
        evaluate(grid, "tiny", "none", 1, "xqa", languages=["en"])
        log = say(grid, "evaluate/tiny/none/seed1/xqa", state="failed", reason="disk full")
        picture = overview.look(grid)
        assert picture.by_place["tiny", "none", "xqa"] == {"done": 1, "failed": 3, "missing": 4}
        (job,) = picture.jobs
        assert (job.state, job.reason, job.log) == ("failed", "disk full", str(log))

    def test_a_failure_that_a_later_attempt_mended_is_forgotten(self, grid):
        say(grid, "train/tiny/none/seed1/qa", state="failed", reason="disk full")
        train(grid, ("tiny", "none", 1, "qa"))
        assert overview.look(grid).jobs == []


class TestShown:
    def test_it_fits_a_narrow_terminal_and_rounds_nothing_up(self, grid):
        evaluate(grid, "tiny", "none", 1, "xqa")
        evaluate(grid, "tiny", "none", 2, "xqa", languages=["en", "de", "sw"])
        say(grid, "evaluate/tiny/none/seed2/xqa", state="failed", reason="disk full")
        for width in (30, 80):
            console = Console(width=width, record=True, file=io.StringIO())
            console.print(show.drawn(overview.look(grid), width))
            text = console.export_text()
            assert "87% f" in text
            assert "disk full" in text

    def test_json_is_for_programs(self, grid, capsys):
        assert show.show(grid, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["cells"] == {
            "missing": len(grid.resolved.cells())
        }

    def test_it_imports_nothing_heavy(self):
        code = "import sys, xstilts.status.show, xstilts.grid; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        loaded = set(done.stdout.split())
        assert not loaded & {"torch", "transformers", "pandas", "numpy", "snakemake", "rich"}
