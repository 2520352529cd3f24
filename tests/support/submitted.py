"""A project whose jobs Slurm runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import yaml

from support.project import Project

# one training that takes some seconds, and one evaluation of three languages
STUDY: dict[str, Any] = {
    "conditions": ["none"],
    "targets": ["cldr_region"],
    "training": {"all": {"epochs": 40, "batch_size": 8, "max_examples": 64, "max_length": 64}},
}
# a scheduler for ourselves: looks every two seconds, and files are seen at once
FAST = {
    "max-status-checks-per-second": 1,
    "slurm-init-seconds-before-status-checks": 2,
    "latency-wait": 20,
}
TRAINED = "results/tiny/checkpoints/tiny/none/seed1/cldr_region"
TRAINING = ("--until", "train")  # submits the training alone


@dataclass
class Submitted(Project):
    """The project, with the repository's Slurm profile but for `FAST`."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def profile(
        self,
        train: dict[str, Any] | None = None,
        evaluate: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Write the profile of the tests; ``train`` and ``evaluate`` change what jobs ask for."""
        said = yaml.safe_load((self.folder / "profiles/slurm/config.yaml").read_text())
        said |= FAST | changes
        said["set-resources"]["train"] |= train or {}
        said["set-resources"]["evaluate"] |= evaluate or {}
        path = self.folder / "profiles/fast/config.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(said))

    def submit(self, *arguments: str) -> subprocess.Popen[str]:
        """Start snakemake on the cluster."""
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src")}
        command = [*arguments, "--workflow-profile", "profiles/fast", "--logger", "xstilts"]
        running = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *command],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(running)
        return running

    def until_trained(self, steps: int = 60, seconds: float = 300) -> None:
        """Wait until the training has done so many steps."""
        until = time.monotonic() + seconds
        while self.steps() < steps:
            assert self.started[-1].poll() is None, self.started[-1].communicate()[0]
            assert time.monotonic() < until, "the training does not get on"
            time.sleep(0.1)

    def steps(self) -> int:
        """The last step that the training's log has."""
        log = self.folder / TRAINED / "log.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return int(json.loads(lines[-1])["step"]) if lines else 0

    def record(self) -> dict[str, Any]:
        """The run record of the training."""
        return dict(json.loads((self.folder / TRAINED / "run.json").read_bytes()))

    def results(self) -> dict[str, str]:
        """All that a study proves itself with: checkpoints, scores and the table."""
        return self.checkpoints() | self.scores() | self.prints("results/tiny/grid.parquet")


def ends(running: subprocess.Popen[str], seconds: float = 400) -> str:
    """Wait for a run that must succeed; give its output."""
    output = running.communicate(timeout=seconds)[0]
    assert running.returncode == 0, output
    return output
