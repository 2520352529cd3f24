"""What of a grid is done, seen from its files alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from rich.console import Console

from fuzz.mutations import watched
from support.stored import START, evaluate, grid_in, put_inputs, train
from xstilts.evaluation import scores
from xstilts.grid.keys import EvaluationKey, TrainingKey
from xstilts.grid.snapshot import save_snapshot
from xstilts.runtime.job_state import state_file
from xstilts.status import overview, show

TRAINED = TrainingKey("tiny", "none", 1, "qa")
SCORED = EvaluationKey("tiny", "none", 1, "xqa")
PLACE = ("tiny", "none", "xqa")


@pytest.fixture
def grid(world, tmp_path):
    """A small study with nothing in it: 2 seeds, 4 conditions, 3 targets, 11 languages."""
    return grid_in(world, tmp_path)


def shown(found):
    """What a terminal shows of an overview."""
    stream = io.StringIO()
    Console(file=stream, width=100).print(show.render(found))
    return stream.getvalue()


def say(grid, place, **changes):
    """Leave the state of a job."""
    log = grid.paths.results / "logs" / f"{place}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    says = {"state": "running", "started": "t", "host": "node7", "pid": 1, "slurm_job": "42"}
    state_file(log).write_text(json.dumps(says | changes))
    return log


class TestSurvey:
    def test_all_of_a_new_grid_is_missing(self, grid):
        found = overview.survey(grid)
        assert found.trainings == {"missing": len(grid.reads.trainings())}
        assert found.scores == {"missing": len(grid.resolved.score_keys())}
        assert found.jobs == []

    def test_a_training_counts_once_it_is_stamped_with_the_right_spec(self, grid, world, tmp_path):
        """Another spec is another path, where nothing lies; a stamp of another spec is stale."""
        put_inputs(grid)
        train(grid, TRAINED)
        assert overview.survey(grid).trainings["done"] == 1
        changed = grid_in(world, tmp_path, training={"all": {"epochs": 1}})
        assert overview.survey(changed).trainings == {"missing": len(grid.reads.trainings())}
        stamp = grid.training(TRAINED).stamp
        stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"spec": "0" * 64}))
        assert overview.survey(grid).trainings == Counter(
            stale=1, missing=len(grid.reads.trainings()) - 1
        )

    def test_scores_are_counted_by_condition_and_target(self, grid):
        put_inputs(grid)
        train(grid, TRAINED)
        evaluate(grid, SCORED, languages=["en", "de", "sw"])
        assert overview.survey(grid).by_condition[PLACE] == {
            "done": 3,
            "missing": 5,
        }

    def test_scores_kept_from_another_version_are_done_and_counted(self, grid, world, tmp_path):
        """A line names the snapshot of the version."""
        put_inputs(grid)
        train(grid, TRAINED)
        evaluate(grid, SCORED, languages=["en", "de"])
        name = save_snapshot(grid).stem[:12]
        (world.folder / "lock.txt").write_text("torch==2.14.0\n")
        found = overview.survey(grid_in(world, tmp_path, other_versions="keep"))
        assert found.by_condition[PLACE]["done"] == 2
        assert found.as_json()["other_versions"] == {name: 2}
        assert f"2 scores kept from another version of the code: snapshot {name}" in shown(found)

    def test_a_score_of_another_spec_or_another_checkpoint_is_stale(self, grid):
        put_inputs(grid)
        train(grid, TRAINED)
        evaluate(grid, SCORED, spec="0" * 64)
        assert overview.survey(grid).by_condition[PLACE]["stale"] == 4
        evaluate(grid, SCORED)
        assert overview.survey(grid).by_condition[PLACE]["done"] == 4
        train(grid, TRAINED, salt="other weights")
        assert overview.survey(grid).by_condition[PLACE]["stale"] == 4

    def test_a_score_whose_predictions_may_be_lost_is_stale(self, grid):
        """As a run would compute it again."""
        evaluate(grid, SCORED, languages=["en", "de", "sw"])
        scores.archive(grid.paths.scores(SCORED)).unlink()
        assert overview.survey(grid).by_condition[PLACE] == {
            "stale": 3,
            "missing": 5,
        }

    def test_a_truncated_line_is_missing(self, grid):
        evaluate(grid, SCORED)
        path = grid.paths.scores(SCORED)
        path.write_bytes(path.read_bytes()[:-20])
        assert overview.survey(grid).by_condition[PLACE]["done"] == 3

    def test_a_line_counts_however_it_is_spaced(self, grid):
        """A score file may have been in an editor."""
        evaluate(grid, SCORED)
        path = grid.paths.scores(SCORED)
        lines = [json.dumps(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines))
        assert overview.survey(grid).by_condition[PLACE]["done"] == 4

    def test_a_score_that_was_changed_is_named(self, grid):
        """With what to do; it counts as stale, so that a run computes it again."""
        evaluate(grid, SCORED)
        path = grid.paths.scores(SCORED)
        path.write_text(path.read_text().replace("50.0", "99.0", 1))
        found = overview.survey(grid)
        assert found.by_condition[PLACE] == {"done": 3, "stale": 1, "missing": 4}
        assert found.changed == [f"{path}: de: its line was changed after it was written"]
        assert found.as_json()["changed"] == found.changed
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(show.render(found))
        assert f"changed {found.changed[0]}\nA run computes them again" in console.export_text()

    def test_pipes_in_the_place_of_files_are_not_waited_for(self, grid):
        """Whatever made them."""
        put_inputs(grid)
        train(grid, TRAINED)
        evaluate(grid, SCORED)
        log = say(grid, "train/tiny/nli/seed1/intermediate")
        curve = grid.training(START).folder / "log.jsonl"
        curve.parent.mkdir(parents=True)
        path = grid.paths.scores(SCORED)
        for place in (grid.training(TRAINED).stamp, path, scores.archive(path), curve):
            place.unlink(missing_ok=True)
            os.mkfifo(place)
        with watched():
            assert overview.survey(grid).scores["done"] == 0
            state_file(log).unlink()
            os.mkfifo(state_file(log))
            assert overview.survey(grid).jobs == []

    def test_what_a_job_computes_now_is_running(self, grid):
        say(grid, "train/tiny/nli/seed1/intermediate")
        curve = grid.training(START).folder / "log.jsonl"
        curve.parent.mkdir(parents=True)
        line = {"step": 30, "of": 100, "loss": 0.5, "tokens": 9, "tokens_per_second": 3}
        curve.write_text(json.dumps(line | {"seconds": 3.0, "seconds_left": 70.5}) + "\n")
        found = overview.survey(grid)
        assert found.trainings["running"] == 1
        (job,) = found.jobs
        assert job.title == "train tiny/nli/seed1/intermediate"
        assert (job.step, job.of, job.seconds_left) == (30, 100, 70.5)
        assert (job.host, job.slurm_job) == ("node7", "42")

    def test_a_failed_job_gives_its_reason_and_its_log(self, grid):
        evaluate(grid, SCORED, languages=["en"])
        log = say(grid, "evaluate/tiny/none/seed1/xqa", state="failed", reason="disk full")
        found = overview.survey(grid)
        assert found.by_condition[PLACE] == {"done": 1, "failed": 3, "missing": 4}
        (job,) = found.jobs
        assert (job.state, job.reason, job.log) == ("failed", "disk full", str(log))

    def test_a_failure_does_not_count_after_a_later_success(self, grid):
        say(grid, "train/tiny/none/seed1/qa", state="failed", reason="disk full")
        put_inputs(grid)
        train(grid, TRAINED)
        assert overview.survey(grid).jobs == []


class TestShow:
    def test_it_fits_a_narrow_terminal_and_rounds_nothing_up(self, grid):
        evaluate(grid, SCORED)
        evaluate(grid, SCORED._replace(seed=2), languages=["en", "de", "sw"])
        say(grid, "evaluate/tiny/none/seed2/xqa", state="failed", reason="disk full")
        for width in (30, 80):
            console = Console(width=width, record=True, file=io.StringIO())
            console.print(show.render(overview.survey(grid), width))
            text = console.export_text()
            assert "87% f" in text
            assert "disk full" in text

    def test_json_is_for_programs(self, grid, capsys):
        assert show.show(grid, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["scores"] == {
            "missing": len(grid.resolved.score_keys())
        }

    def test_it_imports_nothing_heavy(self):
        code = "import sys, xstilts.status.show, xstilts.grid; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        loaded = set(done.stdout.split())
        assert not loaded & {"torch", "transformers", "pandas", "numpy", "snakemake", "rich"}
