"""The scripts of profiles/kubernetes, with a `kubectl` that only pretends to be one."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROFILE = ROOT / "profiles/kubernetes"


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Give what the next call of kubectl answers; it keeps its arguments and its input."""

    def answers(text: str, status: int = 0) -> Path:
        program = tmp_path / "kubectl"
        program.write_text(
            f'#!/bin/sh\ncd {tmp_path}\necho "$@" > arguments\n'
            f'[ "$1" = create ] && cat > manifest\necho "{text}"\nexit {status}\n'
        )
        program.chmod(0o755)
        return tmp_path

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return answers


def run(script: str, *arguments: str) -> str:
    done = subprocess.run([PROFILE / script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_job_asks_for_what_its_rule_needs(kubectl):
    """Memory and GPUs as limits, the claim where it belongs, a deadline, and no second try."""
    folder = kubectl("job.batch/xstilts-1")
    said = run("submit", "image:1", "claim", "/work", "1", "2", "16000", "90", "/work/x/job.sh")
    assert said == "job.batch/xstilts-1"
    spec = yaml.safe_load((folder / "manifest").read_text())["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 5400)
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "image:1"
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "16000Mi"},
        "limits": {"memory": "16000Mi", "nvidia.com/gpu": "1"},
    }
    assert {m["name"]: m["mountPath"] for m in container["volumeMounts"]} == {
        "work": "/work",
        "shared": "/dev/shm",
    }
    volumes = {volume.pop("name"): volume for volume in spec["template"]["spec"]["volumes"]}
    assert volumes == {
        "work": {"persistentVolumeClaim": {"claimName": "claim"}},
        "shared": {"emptyDir": {"medium": "Memory"}},
    }
    assert container["command"][-1] == "/work/x/job.sh"


def command(folder: Path) -> list[str]:
    spec = yaml.safe_load((folder / "manifest").read_text())["spec"]
    return list(spec["template"]["spec"]["containers"][0]["command"])


def test_a_pods_last_signal_reaches_the_job(kubectl, tmp_path):
    """Kubernetes sends it to the first process alone."""
    folder = kubectl("job.batch/xstilts-1")
    script = tmp_path / "job.sh"
    script.write_text("trap 'echo > saved; exit 7' TERM\necho > started\nsleep 60 & wait\n")
    run("submit", "image:1", "claim", "/work", "0", "1", "10", "1", str(script))
    pod = subprocess.Popen(command(folder), cwd=tmp_path, start_new_session=True)
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    pod.terminate()
    assert pod.wait(20)
    assert (tmp_path / "saved").exists()


def test_the_pods_command_runs_the_jobscript_and_ends_as_it_does(kubectl, tmp_path):
    """Its status is the pod's."""
    folder = kubectl("job.batch/xstilts-1")
    script = tmp_path / "job.sh"
    script.write_text("echo done > made; exit 3\n")
    run("submit", "image:1", "claim", "/work", "0", "1", "10", "1", str(script))
    done = subprocess.run(command(folder), cwd=tmp_path, start_new_session=True)
    assert done.returncode == 3
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ("/", 0, "running"),
        ("1/", 0, "success"),
        ("/1", 0, "failed"),
        ("Error from server (NotFound): jobs.batch not found", 1, "failed"),
        ("Unable to connect to the server", 1, "running"),
    ],
)
def test_a_jobs_status_is_one_word(said, code, status, kubectl):
    """A server that does not answer fails no job; a job that was deleted has failed."""
    kubectl(said, code)
    assert run("status", "job.batch/xstilts-1") == status


def test_jobs_are_cancelled_together(kubectl):
    """Without waiting for their end: Snakemake gives the command two seconds."""
    folder = kubectl("")
    run("cancel", "job.batch/a", "job.batch/b")
    assert (folder / "arguments").read_text().split() == [
        "delete", "--wait=false", "job.batch/a", "job.batch/b",
    ]  # fmt: skip
