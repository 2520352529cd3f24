"""What becomes of a study on Slurm when something fails. Every fault is a real one."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from support.slurm_cluster import LIMITS_MEMORY
from support.submitted import TRAINED, TRAINING, ends

pytestmark = pytest.mark.slurm


def states(cluster, since: set[str]) -> list[str]:
    """How every job since then has ended, oldest first."""
    rows = cluster.accounts("JobIDRaw", "State")
    return [state.split()[0] for job, state in rows if job not in since]


@pytest.fixture
def before(cluster, project) -> set[str]:
    """The jobs that were there before the test."""
    return {row[0] for row in cluster.accounts("JobIDRaw")}


def halted(cluster, project) -> tuple[str, int]:
    """Wait until the training is well on its way, and make it stand still, so that what a test does
    next happens in its middle; give its job and process."""
    project.until_trained()
    job = cluster.running("rule_train")
    (trainer,) = [pid for pid in cluster.processes(job) if is_trainer(pid)]
    os.kill(trainer, signal.SIGSTOP)
    return job, trainer


def is_trainer(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return len(words) > 1 and words[1].endswith(".train.py")


def test_undisturbed_it_gives_the_bytes_of_a_local_run(cluster, project, undisturbed, before):
    """Trained and evaluated on GPU nodes, with the repository's own profile."""
    output = ends(project.submit())
    assert project.results() == undisturbed.results()
    assert states(cluster, before) == ["COMPLETED"] * 2
    asked = cluster.accounts("JobIDRaw", "Partition", "Account", "ReqMem", "Timelimit", "ReqTRES")
    for job, partition, account, memory, limit, resources in asked:
        if job not in before:
            assert (partition, account, memory) == ("gpu", "xstilts", "16000M")
            assert limit in ("04:00:00", "02:00:00")
            assert "gres/gpu=1" in resources
    assert project.record()["slurm_job"]
    assert "Report: results/tiny/report.html" in output
    assert project.planned() == {}


def test_a_cancelled_training_goes_on_where_it_was(cluster, project, undisturbed, before):
    """scancel: the training saves its state in its grace time, and the next attempt takes it up."""
    running = project.submit(*TRAINING)
    job, _ = halted(cluster, project)
    cluster.say("scancel", job)  # wakes it, and asks it to end
    ends(running)
    assert states(cluster, before) == ["CANCELLED", "COMPLETED"]
    assert project.record()["resumed_from"] > 0
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_training_is_warned_before_its_time_is_over(cluster, project, undisturbed, before):
    """The profile's --signal=TERM@120 reaches the training: it saves, ends, and is taken up."""
    running = project.submit(*TRAINING)
    job, _ = halted(cluster, project)
    cluster.say("scontrol", "update", f"JobId={job}", "TimeLimit=2")  # wakes it
    ends(running)
    assert states(cluster, before) == ["FAILED", "COMPLETED"]
    assert project.record()["resumed_from"] > 0
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_training_whose_time_is_over_goes_on_in_the_next_attempt(
    cluster, project, undisturbed, before
):
    """Without a warning: the limit's own SIGTERM. The next attempt asks for twice the time."""
    project.profile({"runtime": "attempt", "slurm_extra": "''"})
    running = project.submit(*TRAINING)
    halted(cluster, project)  # until Slurm wakes it to end it: it would be done within its minute
    ends(running)
    assert states(cluster, before) == ["TIMEOUT", "COMPLETED"]
    limits = [row[1] for row in cluster.accounts("JobIDRaw", "Timelimit") if row[0] not in before]
    assert limits == ["00:01:00", "00:02:00"]
    assert project.record()["resumed_from"] > 0
    assert project.checkpoints() == undisturbed.checkpoints()


@pytest.mark.skipif(not LIMITS_MEMORY, reason="no memory cgroups (version 1) to be written")
def test_a_training_killed_for_memory_comes_back_with_more(cluster, project, undisturbed, before):
    """The kernel kills it at its limit. What Slurm calls that depends on who reports it first: its
    memory controller (OUT_OF_MEMORY), or the job's own end with a killed child (FAILED)."""
    project.profile({"mem_mb": "300 * attempt ** 2"})
    ends(project.submit(*TRAINING))
    asked = [row for row in cluster.accounts("JobIDRaw", "State", "ReqMem") if row[0] not in before]
    assert [memory for _, _, memory in asked] == ["300M", "1200M"]
    assert asked[0][1] in ("OUT_OF_MEMORY", "FAILED")
    assert asked[1][1] == "COMPLETED"
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_preempted_training_goes_on_where_it_was(cluster, project, undisturbed, before):
    """A partition of higher rank takes its node, and Slurm only cancels it (PreemptMode=CANCEL):
    nothing else than Snakemake starts it again."""
    running = project.submit(*TRAINING)
    job, _ = halted(cluster, project)
    node = cluster.node_of(job)
    urgent = ("-p", "urgent", "-A", "xstilts", "-w", node, "--exclusive", "-o", "/dev/null")
    cluster.say("sbatch", *urgent, "--wrap", "sleep 1")
    ends(running)
    assert states(cluster, before)[:1] == ["PREEMPTED"]
    assert states(cluster, before)[1:] == ["COMPLETED"] * 2
    assert project.record()["resumed_from"] > 0
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_node_set_down_gives_its_job_to_another(cluster, project, undisturbed, before):
    """An administrator takes the node away; Slurm requeues the job."""
    running = project.submit(*TRAINING)
    job, _ = halted(cluster, project)
    node = cluster.node_of(job)
    cluster.say("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    ends(running)
    assert states(cluster, before) == ["COMPLETED"]
    assert project.record()["resumed_from"] > 0
    assert project.record()["slurm_job"] == job
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_node_that_loses_power_gives_its_job_to_another(cluster, project, undisturbed, before):
    """Everything on it dies at once; its lock does not delay the next attempt."""
    running = project.submit(*TRAINING)
    job, _ = halted(cluster, project)
    cluster.lose_power(cluster.node_of(job))
    ends(running)
    assert states(cluster, before) == ["COMPLETED"]
    assert project.record()["slurm_job"] == job
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_node_that_is_only_thought_dead_finishes_its_work(cluster, project, undisturbed, before):
    """Its daemon was killed, its training runs on: the requeued job waits for it, and finds it
    done."""
    running = project.submit(*TRAINING)
    job, trainer = halted(cluster, project)
    node = cluster.node_of(job)
    cluster.kill_daemon(node)
    cluster.wait(lambda: "is working on it" in train_log(project), 150)
    assert cluster.node_of(job) != node
    os.kill(trainer, signal.SIGCONT)
    ends(running)
    assert states(cluster, before) == ["COMPLETED"]
    assert project.record()["pid"] == trainer
    assert "nothing to train" in train_log(project)
    assert project.checkpoints() == undisturbed.checkpoints()


def train_log(project) -> str:
    """What the training says; nothing while Snakemake makes room for the next attempt's log."""
    logs = project.folder.glob("results/tiny/logs/train/**/*.log")
    return "".join(log.read_text(errors="replace") for log in logs)


def test_jobs_outlive_their_snakemake_and_are_not_done_twice(cluster, project, undisturbed, before):
    """SIGKILL to Snakemake, and a new one while the job runs: the second job waits for the first
    and finds its work done."""
    first = project.submit()
    job, trainer = halted(cluster, project)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    project.snakemake("--unlock")
    second = project.submit()
    cluster.wait(lambda: "is working on it" in train_log(project), 150)
    os.kill(trainer, signal.SIGCONT)
    ends(second)
    assert states(cluster, before) == ["COMPLETED"] * 3
    assert project.record()["slurm_job"] == job
    assert "nothing to train" in train_log(project)
    assert project.results() == undisturbed.results()


def test_a_training_that_ended_without_its_snakemake_is_not_done_again(
    cluster, project, undisturbed, before
):
    """Snakemake takes its outputs for incomplete and submits it again: it ends at once."""
    first = project.submit()
    job, trainer = halted(cluster, project)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    os.kill(trainer, signal.SIGCONT)
    cluster.wait(lambda: not cluster.jobs("running"))
    assert (project.folder / TRAINED / "stamp.json").exists()
    project.snakemake("--unlock")
    ends(project.submit())
    assert project.record()["slurm_job"] == job
    assert project.results() == undisturbed.results()


def test_a_scheduler_that_does_not_answer_for_a_minute(cluster, project, undisturbed, before):
    """Neither to a submission, which is repeated, nor to looks at a running job."""
    controller = cluster.processes_of["slurmctld"]
    controller.send_signal(signal.SIGSTOP)
    try:
        running = project.submit(*TRAINING)
        time.sleep(60)
    finally:
        controller.send_signal(signal.SIGCONT)
    project.until_trained()
    controller.send_signal(signal.SIGSTOP)
    try:
        time.sleep(20)
    finally:
        controller.send_signal(signal.SIGCONT)
    ends(running)
    assert states(cluster, before) == ["COMPLETED"]
    assert project.record()["resumed_from"] == 0
    assert project.checkpoints() == undisturbed.checkpoints()


def test_a_failing_language_costs_no_other(cluster, project, undisturbed, before):
    """The others are kept, and only the one that failed is computed when it can be."""
    project.profile(retries=0)
    damaged = project.path("resources/examples/cldr_region-test-*/sw.parquet")
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + b"?")
    running = project.submit()
    output = running.communicate(timeout=400)[0]
    assert running.returncode
    assert "sw.parquet: its bytes are not the ones" in output
    kept = {path.stem for path in project.folder.glob("results/tiny/work/*/*.json")}
    assert kept == {"de", "en"}
    damaged.write_bytes(good)
    # and one of the kept ones is cut off, as by a crash of the file server
    cut = project.path("results/tiny/work/*/en.json")
    cut.write_bytes(cut.read_bytes()[:100])
    ends(project.submit())
    assert sorted(project.evaluated()) == ["cldr_region en", "cldr_region sw"]
    assert states(cluster, before) == ["COMPLETED", "FAILED", "COMPLETED"]
    assert project.results() == undisturbed.results()


def test_edits_in_mid_run_never_reach_a_stamp(cluster, project, undisturbed, before):
    """Jobs work with the study that the run began with, and refuse to run an edited library."""
    project.profile(retries=0)
    running = project.submit()
    project.until_trained()
    project.study(training={"all": {"epochs": 1, "batch_size": 4, "max_length": 64}})
    project.edit("src/xstilts/evaluation/score_line.py", "VERSION = 4", "VERSION = 4 * 1")
    output = running.communicate(timeout=400)[0]
    assert running.returncode
    assert "the library was edited after this run had started" in output
    assert project.checkpoints() == undisturbed.checkpoints()
    assert project.scores() == {}
    stamp = json.loads((project.folder / TRAINED / "stamp.json").read_bytes())
    assert stamp["outcomes"]["steps"] == 40 * 8
