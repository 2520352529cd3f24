"""Changes to Snakemake 9.27 and its Slurm plugin 2.8, without which they cannot run a grid.

Each function names the behaviour that it is for; `tests/slurm` shows each of them on a real Slurm.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import threading
import time
from itertools import pairwise
from typing import Any

PLUGIN = "snakemake_executor_plugin_slurm"


def stop_timers() -> None:
    """Let Snakemake end when its work is done.

    With ``max-jobs-per-timespan`` it leaves timers, which its process would wait for until the
    last span is over.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


# --- the Slurm plugin ----------------------------------------------------------------------------

COMING_BACK = ("NODE_FAIL", "PREEMPTED", "REVOKED")
"""States that the plugin takes for the pause before a job runs again, whether or not it does."""


def mend_plugin() -> None:
    """Mend the Slurm plugin where it is in use: the states that it reads, and how it submits."""
    plugin: Any = sys.modules.get(PLUGIN)
    if plugin is None or hasattr(plugin, "mended_by_xstilts"):
        return
    plugin.mended_by_xstilts = True
    plugin.query_job_status = _with_plain_states(plugin.query_job_status)
    plugin.get_submit_command = _with_patience(plugin.get_submit_command)


def _with_plain_states(query: Any) -> Any:
    """Let the plugin see that a job has ended.

    It compares whole states with a list of failures: accounting says ``CANCELLED by 1000``, which
    is not on it, and so the plugin waits for a cancelled job for ever. It waits for ever as well
    for a job that was preempted or lost its node and that Slurm does not start again.
    """

    async def plain(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        said, seconds = await query(command, logger)
        if said is None:
            return None, None
        return {job: await _state(job, state) for job, state in said.items()}, seconds

    return plain


async def _state(job: str, said: str) -> str:
    """A job's state in one word; FAILED where it has ended and will not come back."""
    state = said.partition(" ")[0]
    return "FAILED" if state in COMING_BACK and await _is_gone(job) else state


async def _is_gone(job: str) -> bool:
    """Whether the scheduler itself, which may not answer, says that a job is over."""
    process = await asyncio.create_subprocess_exec(
        *("squeue", "-h", "-j", job, "-o", "%T"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return b"Invalid job id" in error or (process.returncode == 0 and not out.strip())


# --- submitting ----------------------------------------------------------------------------------

PAUSE = 10.0
PATIENCE = 20 * 60.0
"""Seconds for which a scheduler that does not answer is asked again."""
UNANSWERED = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Zero Bytes were transmitted",
    "Transport endpoint is not connected",
)


def _with_patience(command: Any) -> Any:
    """Let the plugin submit through `submit`.

    ``sbatch`` gives up on a scheduler that is busy or being restarted after seconds, and the plugin
    counts that as a failed attempt of the job: an outage of a minute would cost all of them.
    """

    def patient(*args: Any, **more: Any) -> str:
        return f"{shlex.quote(sys.executable)} -m xstilts.workflow.slurm {command(*args, **more)}"

    return patient


def submit(sbatch: list[str], script: str, patience: float = PATIENCE) -> int:
    """Run an ``sbatch`` command, again and again while the scheduler does not answer.

    Before it is run again, the queue is asked whether it was heard after all: the plugin gives
    each run a name of its own, and each of its jobs a comment.
    """
    until = time.monotonic() + patience
    while True:
        done = subprocess.run(sbatch, input=script, capture_output=True, text=True)
        answered = not any(sign in done.stderr for sign in UNANSWERED)
        if done.returncode == 0 or answered or time.monotonic() > until:
            sys.stdout.write(done.stdout)
            sys.stderr.write(done.stderr)
            return done.returncode
        if queued := _heard(sbatch, until):
            print(queued)
            return 0


def _heard(sbatch: list[str], until: float) -> str | None:
    """The id of the job that a scheduler made of an unanswered command; none if it made none.

    It must say so twice: when it answers again, it may not yet have read a request that waited.
    """
    denials = 0
    while denials < 2 and time.monotonic() < until:
        queued = _queued(sbatch)
        if queued:
            return queued
        denials += queued is not None
        time.sleep(PAUSE)
    return None


def _queued(sbatch: list[str]) -> str | None:
    """The id of the job that a command would submit, "" if there is none; None: no answer."""
    said = dict(pairwise(sbatch))
    queue = ["squeue", "-h", "-n", said.get("--job-name", ""), "-o", "%A %k"]
    done = subprocess.run(queue, capture_output=True, text=True)
    if done.returncode:
        return None
    jobs = [line.partition(" ") for line in done.stdout.splitlines()]
    return next((job for job, _, comment in jobs if comment == said.get("--comment")), "")


if __name__ == "__main__":
    raise SystemExit(submit(sys.argv[1:], sys.stdin.read()))
