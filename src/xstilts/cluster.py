"""What Snakemake 9.27 and its Slurm plugin 2.8 need to be told before they run a grid.

Each function names the behaviour that it is for; `tests/slurm` shows each of them on a real Slurm.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PLUGIN = "snakemake_executor_plugin_slurm"


def spread_resources(settings: Any, stage: str, rules: Iterable[str]) -> None:
    """Let a profile's ``set-resources: <stage>:`` stand for every rule of a stage.

    Evaluation has one rule for each target, whose names a profile cannot know. What is set for a
    rule by its own name goes before.
    """
    chosen = settings.overwrite_resources
    if stage in chosen:
        for rule in rules:
            both = {**chosen[stage], **chosen.get(rule, {})}
            chosen[rule] = type(chosen[stage])(both)


def stop_timers() -> None:
    """Let Snakemake end when its work is done.

    With ``max-jobs-per-timespan`` it leaves timers, which its process would wait for until the
    last span is over.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


# --- the states of Slurm's jobs ------------------------------------------------------------------

COMING_BACK = ("NODE_FAIL", "PREEMPTED", "REVOKED")
"""States that the plugin takes for the pause before a job runs again, whether or not it does."""


def mend_states() -> None:
    """Let the Slurm plugin, where it is in use, see that a job has ended.

    It compares whole states with a list of failures: accounting says ``CANCELLED by 1000``, which
    is not on it, and so the plugin waits for a cancelled job for ever. It waits for ever as well
    for a job that was preempted or lost its node and that Slurm does not start again.
    """
    plugin = sys.modules.get(PLUGIN)
    if plugin is None or hasattr(plugin, "query_job_status_as_said"):
        return
    plugin.query_job_status_as_said = plugin.query_job_status  # type: ignore[attr-defined]

    async def query(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        said, seconds = await plugin.query_job_status_as_said(command, logger)
        if said is None:
            return None, None
        return {job: await _state(job, state) for job, state in said.items()}, seconds

    plugin.query_job_status = query  # type: ignore[attr-defined]


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
