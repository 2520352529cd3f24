"""What Snakemake and its Slurm plugin are told."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest

from xstilts import cluster


def test_what_is_set_for_a_stage_is_set_for_its_rules():
    """A rule's own settings go before; other stages and rules stay as they are."""
    settings = SimpleNamespace(
        overwrite_resources={
            "train": {"gpu": 2},
            "evaluate": {"gpu": 1, "mem_mb": 8},
            "evaluate_xnli": {"mem_mb": 9},
        }
    )
    cluster.spread_resources(settings, "evaluate", ["evaluate_xnli", "evaluate_panx"])
    assert settings.overwrite_resources == {
        "train": {"gpu": 2},
        "evaluate": {"gpu": 1, "mem_mb": 8},
        "evaluate_xnli": {"gpu": 1, "mem_mb": 9},
        "evaluate_panx": {"gpu": 1, "mem_mb": 8},
    }


def test_nothing_set_for_a_stage_changes_nothing():
    """A local run has no such settings at all."""
    settings = SimpleNamespace(overwrite_resources={})
    cluster.spread_resources(settings, "evaluate", ["evaluate_xnli"])
    assert settings.overwrite_resources == {}


def test_timers_are_stopped():
    """Else the process would wait for the longest of them."""
    timer = threading.Timer(60, print)
    timer.start()
    cluster.stop_timers()
    timer.join(5)
    assert not timer.is_alive()


SAID = {"1": "CANCELLED by 1000", "2": "COMPLETED", "3": "PREEMPTED", "4": "NODE_FAIL"}


@pytest.fixture
def plugin(monkeypatch):
    """The plugin's side: a query that tells the states above, or has got no answer."""
    module = ModuleType(cluster.PLUGIN)

    async def query(command, logger):
        return (SAID, 0.1) if command == "sacct" else (None, None)

    async def is_gone(job):
        return job == "3"

    module.query_job_status = query
    monkeypatch.setitem(sys.modules, cluster.PLUGIN, module)
    monkeypatch.setattr(cluster, "_is_gone", is_gone)
    cluster.mend_states()
    cluster.mend_states()  # once is enough
    return module


def test_states_are_single_words_and_ended_jobs_have_failed(plugin):
    """Who cancelled a job is left out; a preempted job fails if it does not come back."""
    states, seconds = asyncio.run(plugin.query_job_status("sacct", None))
    assert states == {"1": "CANCELLED", "2": "COMPLETED", "3": "FAILED", "4": "NODE_FAIL"}
    assert seconds == 0.1


def test_no_answer_stays_no_answer(plugin):
    """The plugin asks again."""
    assert asyncio.run(plugin.query_job_status("squeue", None)) == (None, None)
