"""Scores that exist survive every failure of the job that adds a score to their file."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.slurm_cluster import LIMITS_MEMORY
from support.submitted import ends

pytestmark = pytest.mark.slurm


def damage_examples(project, cluster):
    """The job fails on its node."""
    stamp = project.path("resources/examples/cldr_region-test-*/ru.json")
    stamp.with_suffix(".parquet").write_bytes(
        stamp.with_suffix(".parquet").read_bytes()[:-1] + b"?"
    )
    return project.submit()


def refuse_submission(project, cluster):
    """Slurm does not take the job."""
    project.profile(retries=0, evaluate={"slurm_account": "'nobody'"})
    return project.submit()


def run_out_of_time(project, cluster):
    """Slurm ends the job in its middle."""
    project.profile(retries=0, evaluate={"runtime": 1})
    running = project.submit()
    os.kill(evaluating(cluster), signal.SIGSTOP)
    return running


def run_out_of_memory(project, cluster):
    """The kernel kills the job."""
    project.profile(retries=0, evaluate={"mem_mb": 100})
    return project.submit()


def evaluating(cluster):
    """The process that evaluates, once Slurm runs it."""
    job = cluster.running("rule_evaluate")
    found = []

    def look():
        found[:] = [pid for pid in cluster.processes(job) if is_evaluator(pid)]
        return found

    cluster.wait(look)
    return found[0]


def is_evaluator(pid):
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return len(words) > 1 and words[1].endswith(".evaluate.py")


FAULTS = [damage_examples, refuse_submission, run_out_of_time, run_out_of_memory]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_failed_job_costs_no_score_that_exists(fault, cluster, extended):
    """The others keep their bytes, and only the new language is computed when it can be."""
    if fault is run_out_of_memory and not LIMITS_MEMORY:
        pytest.skip("no memory cgroups (version 1) that can be written")
    before, checkpoints = extended.scores(), extended.checkpoints()
    extended.profile(retries=0)
    examples = extended.path("resources/examples/cldr_region-test-*/ru.parquet")
    whole = examples.read_bytes()
    running = fault(extended, cluster)
    running.communicate(timeout=400)
    assert running.returncode
    assert extended.scores() == before
    examples.write_bytes(whole)
    extended.profile()
    extended.delete_logs()
    ends(extended.submit())
    assert extended.evaluated() == ["cldr_region ru"]
    after = extended.scores()
    assert {key: after[key] for key in before} == before
    assert extended.checkpoints() == checkpoints
