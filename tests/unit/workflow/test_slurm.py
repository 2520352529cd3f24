"""What we pass to Snakemake and its Slurm plugin."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType

import pytest

from xstilts.workflow import slurm as slurm_module
from xstilts.workflow.slurm import PLUGIN, mend_plugin, stop_timers, submit


def test_timers_are_stopped():
    """Else the process would wait for the longest of them."""
    timer = threading.Timer(60, print)
    timer.start()
    stop_timers()
    timer.join(5)
    assert not timer.is_alive()


SAID = {"1": "CANCELLED by 1000", "2": "COMPLETED", "3": "PREEMPTED", "4": "NODE_FAIL"}


@pytest.fixture
def plugin(monkeypatch):
    """The plugin's side: a query that returns the states above, or gets no answer."""
    module = ModuleType(PLUGIN)

    async def query(command, logger):
        return (SAID, 0.1) if command == "sacct" else (None, None)

    async def is_gone(job):
        return job == "3"

    module.query_job_status = query
    monkeypatch.setitem(sys.modules, PLUGIN, module)
    monkeypatch.setattr(slurm_module, "_is_gone", is_gone)
    module.get_submit_command = lambda job, settings: f"sbatch --comment {job}"
    mend_plugin()
    mend_plugin()  # once is enough
    return module


def test_states_are_single_words_and_ended_jobs_have_failed(plugin):
    """Who cancelled a job is left out; a preempted job fails if it does not come back."""
    states, seconds = asyncio.run(plugin.query_job_status("sacct", None))
    assert states == {"1": "CANCELLED", "2": "COMPLETED", "3": "FAILED", "4": "NODE_FAIL"}
    assert seconds == 0.1


def test_no_answer_stays_no_answer(plugin):
    """The plugin asks again."""
    assert asyncio.run(plugin.query_job_status("squeue", None)) == (None, None)


def test_jobs_are_submitted_with_patience(plugin):
    """Through this module, in the same Python."""
    said = plugin.get_submit_command("rule_train", settings=None)
    assert said == f"{sys.executable} -m xstilts.workflow.slurm sbatch --comment rule_train"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands that note how they were called, and answer what files tell them to."""
    for name in ("sbatch", "squeue"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> {name}.calls\n'
            f"n=$(wc -l < {name}.calls)\n. ./{name}.$n\n"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(slurm_module, "PAUSE", 0.01)
    return tmp_path


NO_ANSWER = (
    "echo 'Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1"
)
COMMAND = ["sbatch", "--job-name", "run", "--comment", "rule_train", "--wrap", "true"]


def calls(slurm, name: str) -> int:
    log = slurm / f"{name}.calls"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_submission_that_was_not_heard_is_repeated(slurm, capsys):
    """After the scheduler answers again, and says that it has no such job."""
    (slurm / "sbatch.1").write_text(NO_ANSWER)
    (slurm / "squeue.1").write_text("exit 1")
    for number in (2, 3):
        (slurm / f"squeue.{number}").write_text("echo '6 rule_evaluate'")
    (slurm / "sbatch.2").write_text("echo 7")
    assert submit(COMMAND, "") == 0
    assert capsys.readouterr().out == "7\n"
    assert (calls(slurm, "sbatch"), calls(slurm, "squeue")) == (2, 3)


def test_a_scheduler_that_answers_again_may_read_the_request_later(slurm, capsys):
    """It denies the job at first; a second submission would be a second job."""
    (slurm / "sbatch.1").write_text(NO_ANSWER)
    (slurm / "squeue.1").write_text("")
    (slurm / "squeue.2").write_text("echo '7 rule_train'")
    assert submit(COMMAND, "") == 0
    assert capsys.readouterr().out == "7\n"
    assert calls(slurm, "sbatch") == 1


def test_a_submission_that_was_heard_is_not_repeated(slurm, capsys):
    """The answer was lost, not the job."""
    (slurm / "sbatch.1").write_text(NO_ANSWER)
    (slurm / "squeue.1").write_text("echo '6 rule_evaluate'; echo '7 rule_train'")
    assert submit(COMMAND, "") == 0
    assert capsys.readouterr().out == "7\n"
    assert calls(slurm, "sbatch") == 1


def test_a_refusal_is_an_answer(slurm, capsys):
    """Our error quotes sbatch's, at once."""
    (slurm / "sbatch.1").write_text("echo 'Invalid partition name specified' >&2; exit 1")
    assert submit(COMMAND, "") == 1
    assert capsys.readouterr().err == "Invalid partition name specified\n"
    assert (calls(slurm, "sbatch"), calls(slurm, "squeue")) == (1, 0)


def test_patience_ends(slurm, capsys):
    """A scheduler that never answers is an error."""
    (slurm / "sbatch.1").write_text(NO_ANSWER)
    (slurm / "sbatch.2").write_text(NO_ANSWER)
    for number in range(1, 200):
        (slurm / f"squeue.{number}").write_text("exit 1")
    assert submit(COMMAND, "", patience=0.3) == 1
    assert "Socket timed out" in capsys.readouterr().err
