"""A job's file says whether the job runs, and how it ended."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

from xstilts.runtime.heartbeat import SILENCE_LIMIT
from xstilts.runtime.job_state import read_state, record_job_state, state_file


@pytest.fixture
def log(tmp_path):
    """The log of a job that has not started."""
    return tmp_path / "a.log"


def test_a_job_is_running_then_ok(log):
    assert read_state(log) is None
    with record_job_state(log):
        assert read_state(log).outcome == "running"
    assert read_state(log).outcome == "ok"


def test_the_error_that_ends_a_job_is_the_reason(log):
    with pytest.raises(OSError, match="disk full"), record_job_state(log):
        raise OSError("disk full")
    state = read_state(log)
    assert (state.outcome, state.reason) == ("failed", "disk full")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(143, "ended by signal 15"), (2, "exit 2"), ("xstilts: train: no", "xstilts: train: no")],
)
def test_an_exit_is_described(code, reason, log):
    with pytest.raises(SystemExit), record_job_state(log):
        raise SystemExit(code)
    assert read_state(log).reason == reason


def test_a_job_that_was_killed_on_this_host_is_lost_at_once(log):
    child = os.fork()
    if child == 0:
        with record_job_state(log):
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    state = read_state(log)
    assert state.outcome == "lost"
    assert state.reason.startswith("the job was killed: its last sign of life is ")


def test_a_job_elsewhere_is_lost_after_the_limit_of_silence(log):
    with record_job_state(log):
        values = json.loads(state_file(log).read_text()) | {"kernel": "another"}
        state_file(log).write_text(json.dumps(values))
        assert read_state(log).outcome == "running"
        assert read_state(log, now=time.time() + SILENCE_LIMIT + 1).outcome == "lost"


def test_the_file_is_touched_while_the_job_runs(log):
    with record_job_state(log, interval=0.01):
        os.utime(state_file(log), (1, 1))
        time.sleep(0.2)
        assert state_file(log).stat().st_mtime > 1


STATE = {"state": "running", "started": "t", "host": "h", "pid": 7, "slurm_job": None}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"state": "ok"}',
        "[" * 100_000,
        *(
            json.dumps(STATE | changes)
            for changes in (
                {"pid": 10**30},
                {"pid": "7"},
                {"pid": -1},
                {"state": ["ok"]},
                {"state": "lost"},
                {"started": 3},
                {"host": None},
            )
        ),
    ],
    ids=lambda text: text[:60],
)
def test_an_unreadable_file_counts_as_a_job_that_has_not_started(content, log):
    state_file(log).write_text(content)
    assert read_state(log) is None


def test_a_pipe_is_not_waited_for(log):
    os.mkfifo(state_file(log))
    assert read_state(log) is None


def test_a_reason_cannot_change_the_terminal(log):
    state = STATE | {"state": "failed", "reason": "no\x1b[2J\ngo"}
    state_file(log).write_text(json.dumps(state))
    assert read_state(log).reason == "no\ufffd[2J\ngo"


def test_a_deleted_folder_fails_no_job(tmp_path):
    log = tmp_path / "logs" / "a.log"
    with record_job_state(log, interval=0.01):
        shutil.rmtree(log.parent)
        time.sleep(0.05)
