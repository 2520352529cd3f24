"""The workflow can be entered where Snakemake, snakedeploy and another Snakefile look for it."""

from __future__ import annotations

import pytest

from support.project import new_project

pytestmark = pytest.mark.workflow

MODULE = """
configfile: "config/config.yaml"

module xstilts:
    snakefile: "workflow/Snakefile"
    config: config

use rule * from xstilts
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A project in which nothing is computed; dry runs change nothing in it."""
    return new_project(tmp_path_factory.mktemp("entries") / "project")


@pytest.fixture(scope="module")
def plan(fresh):
    """What a plain ``snakemake`` would run."""
    return fresh.planned()


def without_target(jobs: dict[str, int]) -> dict[str, int]:
    """The jobs but for the default target of workflow/Snakefile."""
    assert jobs.pop("default") == 1
    return jobs


def test_the_entry_of_the_catalogue_plans_the_same_jobs(fresh, plan):
    assert without_target(fresh.planned("-s", "workflow/Snakefile")) == plan


def test_single_keys_change_the_default_study(fresh, plan):
    """Numbers in a list too, although Snakemake gives them as texts."""
    jobs = fresh.planned("--config", "seeds=[7,8]")
    assert jobs["train"] == 2 * plan["train"]


def test_a_key_given_twice_is_refused_with_its_line(fresh):
    """Snakemake's own loader takes the last of two equal keys."""
    text = (fresh.folder / "config/config.yaml").read_text()
    (fresh.folder / "twice.yaml").write_text(f"study: once\n{text}")
    done = fresh.snakemake("-n", "--configfile", "twice.yaml", check=False)
    assert done.returncode
    assert "xstilts: twice.yaml:" in done.stdout


def test_another_snakefile_uses_the_workflow_as_a_module(fresh, plan):
    (fresh.folder / "deployed.smk").write_text(MODULE)
    assert without_target(fresh.planned("-s", "deployed.smk")) == plan
