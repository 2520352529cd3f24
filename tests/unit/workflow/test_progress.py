"""What a run shows while it runs."""

from __future__ import annotations

import json
import logging
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from xstilts.training.log import last_line
from xstilts.workflow.progress import LogHandler, title, weight


def record(event=None, message="", level=logging.INFO, **fields):
    """A record as Snakemake 9 makes it."""
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    made.__dict__.update(fields | ({"event": event} if event else {}))
    return made


def job_info(number, rule, log, output="out.json", **wildcards):
    return record(
        LogEvent.JOB_INFO,
        jobid=number,
        rule_name=rule,
        log=[str(log)],
        output=[str(output)],
        wildcards=wildcards,
    )


@pytest.fixture
def handler(request):
    """A handler, dry or on a terminal where the test's name says so; ``shown()`` is its text."""
    made = LogHandler(SimpleNamespace(dryrun="dry" in request.node.name), None)
    terminal = "terminal" in request.node.name
    made._console = Console(record=True, force_terminal=terminal, width=120, file=StringIO())
    made.shown = lambda: made._console.export_text(clear=False).splitlines()
    yield made
    made.close()


def test_one_line_a_finished_job(handler, tmp_path):
    """Away from a terminal: what, how long, how much is left; nothing when a job starts."""
    handler.emit(record(LogEvent.RUN_INFO, stats={"train": 1, "evaluate_xqa": 1, "total": 2}))
    handler.emit(record(LogEvent.JOB_STARTED, jobs=[1]))
    handler.emit(job_info(1, "train", tmp_path / "1.log", encoder="e", seed="1", stage="qa"))
    assert handler.shown() == ["2 jobs: 1 train, 1 evaluate_xqa"]
    handler.emit(record(LogEvent.JOB_FINISHED, job_id=1))
    handler.emit(job_info(2, "evaluate_xqa", tmp_path / "2.log", encoder="e", seed="1"))
    handler.emit(record(LogEvent.JOB_FINISHED, job_id=2))
    assert handler.shown()[1:] == [
        "[1/2] train e/seed1/qa (0 s), about 0 s left",
        "[2/2] evaluate xqa e/seed1 (0 s)",
    ]


def test_a_failure_shows_the_end_of_the_job_s_log(handler, tmp_path):
    """And where the rest is."""
    log = tmp_path / "job.log"
    log.write_text("\n".join(f"line {i}" for i in range(20)))
    handler.emit(job_info(1, "train", log, seed="1"))
    handler.emit(record(LogEvent.JOB_ERROR, jobid=1))
    assert handler.shown() == [
        "failed: train seed1",
        *(f"  line {i}" for i in range(8, 20)),
        f"  its log: {log}",
    ]


def test_a_failure_without_a_log_is_told_all_the_same(handler, tmp_path):
    """The job died before it wrote anything."""
    handler.emit(job_info(1, "table", tmp_path / "none.log"))
    handler.emit(record(LogEvent.JOB_ERROR, jobid=1))
    assert handler.shown()[0] == "failed: table"


def test_a_log_that_is_no_text_does_not_stop_the_run(handler, tmp_path):
    """Bytes that are no UTF-8 are shown as such."""
    (tmp_path / "x.log").write_bytes(b"caf\xe9 [red]not markup[/red]")
    handler.emit(job_info(1, "table", tmp_path / "x.log"))
    handler.emit(record(LogEvent.JOB_ERROR, jobid=1))
    assert handler.shown()[1] == "  caf\ufffd [red]not markup[/red]"


def test_the_end_of_an_unknown_job_is_passed_over(handler):
    """Snakemake reports group jobs that it never described."""
    handler.emit(record(LogEvent.JOB_FINISHED, job_id=7))
    handler.emit(record(LogEvent.JOB_ERROR, jobid=7))
    assert handler.shown() == []


def test_warnings_are_shown_and_chatter_is_not(handler):
    """Errors of Snakemake itself among them; not its note for each file that never existed."""
    handler.emit(record(message="Select jobs to execute..."))
    handler.emit(record(message="disk is full", level=logging.ERROR))
    handler.emit(record(message="Cannot restore x.json", level=logging.WARNING))
    assert handler.shown() == ["disk is full"]


def test_a_dry_run_is_snakemake_s_own_text(handler):
    """Nothing runs, so there is no progress to show."""
    handler.emit(record(LogEvent.RUN_INFO, stats={"train": 1}))
    handler.emit(record(message="This was a dry-run"))
    assert handler.shown() == ["This was a dry-run"]


def test_on_a_terminal_there_are_bars(handler, tmp_path):
    """One for the grid, one for each running job, and they go when it ends."""
    handler.emit(record(LogEvent.RUN_INFO, stats={"train": 2}))
    handler.emit(job_info(1, "train", tmp_path / "1.log", seed="1"))
    assert [task.description for task in handler._bars.tasks] == ["grid", "  train seed1"]
    handler.emit(record(LogEvent.JOB_FINISHED, job_id=1))
    assert [task.description for task in handler._bars.tasks] == ["grid"]
    handler.close()
    assert handler._bars is None


class TestTrainingLog:
    """The bar of a training follows the last whole line of its log."""

    def test_the_last_line_counts(self, tmp_path):
        """It says step, loss, speed and time left."""
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps({"step": i}) + "\n" for i in range(3)))
        assert last_line(path) == {"step": 2}

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", None),
            ("7\n", None),
            ('{"step": 1}\n{"st', {"step": 1}),
            ('{"step": 1}\n{"step": 1, "dev_score": 3.0}\n', {"step": 1}),
        ],
    )
    def test_what_is_half_written_or_no_step_is_passed_over(self, tmp_path, text, found):
        """The next look finds it whole; an evaluation on dev has no loss and no speed."""
        (tmp_path / "log.jsonl").write_text(text)
        assert last_line(tmp_path / "log.jsonl") == found

    def test_there_may_be_none_yet(self, tmp_path):
        """A training writes it after its first steps."""
        assert last_line(tmp_path / "log.jsonl") is None
        assert last_line(None) is None


def test_trainings_weigh_most():
    """So the number of small jobs does not decide the time left."""
    assert weight("train") > weight("evaluate_xquad") > weight("table") == weight("examples_x_test")


def test_a_job_is_told_from_its_likes():
    """By rule and wildcards."""
    assert title("evaluate_xquad", {"encoder": "e", "condition": "none", "seed": "1"}) == (
        "evaluate xquad e/none/seed1"
    )
    assert title("report", {}) == "report"
