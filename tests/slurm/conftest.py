"""Fixtures of the tests on a real Slurm: one cluster, and one study computed without it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from support.project import new_project
from support.slurm_cluster import Cluster, missing
from support.submitted import STUDY, Submitted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A running cluster."""
    reason = missing()
    if reason is None and find_spec("snakemake_executor_plugin_slurm") is None:
        reason = "not installed: snakemake-executor-plugin-slurm"
    if reason:
        pytest.skip(f"no Slurm: {reason}")
    with (
        Cluster(tmp_path_factory.mktemp("slurm")) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        # the cluster's GPUs are names that Slurm counts: its jobs compute on the CPU
        patch.setenv("XSTILTS_DEVICE", "cpu")
        yield started


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Submitted:
    """A project with its encoder and examples, and nothing computed. Not to be changed."""
    project = new_project(tmp_path_factory.mktemp("prepared") / "project")
    made = Submitted(project.folder)
    made.study(**STUDY)
    made.profile()
    made.snakemake("download")
    return made


@pytest.fixture(scope="session")
def undisturbed(prepared, tmp_path_factory) -> Submitted:
    """The same project computed here, without Slurm and without faults. Not to be changed."""
    project = copy(prepared, tmp_path_factory.mktemp("undisturbed") / "project")
    project.snakemake()
    return project


@pytest.fixture
def project(cluster, prepared, undisturbed, tmp_path) -> Iterator[Submitted]:
    """A copy of the prepared project, on a cluster whose nodes are all well."""
    made = copy(prepared, tmp_path / "project")
    yield made
    clean_up(made, cluster)


@pytest.fixture
def extended(cluster, undisturbed, tmp_path) -> Iterator[Submitted]:
    """A finished study to which a language was added; its examples are prepared."""
    made = copy(undisturbed, tmp_path / "project")
    made.study(**STUDY, languages=["en", "sw", "de", "ru"])
    made.snakemake("download")
    yield made
    clean_up(made, cluster)


def clean_up(project: Submitted, cluster: Cluster) -> None:
    """Kill what a test has started, and make all nodes well."""
    for running in project.started:
        with running, suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    cluster.repair()


def copy(project: Submitted, folder: Path) -> Submitted:
    """A copy with times and Snakemake's records kept."""
    subprocess.run(["cp", "-a", str(project.folder), str(folder)], check=True)
    return Submitted(folder)
