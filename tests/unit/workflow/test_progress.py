"""What a run shows while it runs."""

from __future__ import annotations

import logging
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

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


def test_trainings_weigh_most():
    """So the number of small jobs does not decide the time left."""
    assert weight("train") > weight("evaluate_xquad") > weight("table") == weight("examples_x_test")


def test_a_job_is_told_from_its_likes():
    """By rule and wildcards."""
    assert title("evaluate_xquad", {"encoder": "e", "condition": "none", "seed": "1"}) == (
        "evaluate xquad e/none/seed1"
    )
    assert title("report", {}) == "report"
