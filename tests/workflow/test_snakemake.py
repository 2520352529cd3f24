"""At home in Snakemake: its listing commands, modules, hooks, and files that it may not touch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.workflow

LISTINGS = {
    "dry run": ["-n"],
    "dry run of a change": ["-n", "--config", "seeds=[1,2]"],
    "summary": ["--summary"],
    "abbreviated": ["--summ"],
    "changes": ["--list-changes", "params"],
    "input changes": ["--list-input-changes"],
    "rules": ["--list-rules"],
    "rule graph": ["--rulegraph"],
    "whole rule graph": ["--forceall", "--rulegraph"],
    "unlock": ["--unlock"],
    "lint": ["--lint"],
    "what would be deleted": ["--delete-all-output", "-n"],
}


@pytest.mark.parametrize("command", LISTINGS)
def test_commands_that_run_nothing_write_nothing(command, project):
    """On a finished study, and on one of which scores are missing."""
    project.drop("results/tiny/scores/tiny/none/seed1/cldr_region.jsonl", "sw")
    before = project.files()
    project.snakemake(*LISTINGS[command])
    assert project.files() == before


def test_deleting_all_output_says_what_stays(project):
    """Snakemake deletes table and report; the scores, which it does not know, are named."""
    scores, checkpoints = project.scores(), project.checkpoints()
    said = project.snakemake("--delete-all").stdout  # an abbreviation, as Snakemake allows
    assert not (project.folder / "results/tiny/grid.parquet").exists()
    assert "scores and predictions stay in results/tiny" in said
    assert "'xstilts gc results'" in said
    assert (project.scores(), project.checkpoints()) == (scores, checkpoints)


def test_touching_changes_times_and_no_content(project):
    """``--touch`` marks files as new, as it should; a missing score stays missing."""
    project.drop("results/tiny/scores/tiny/none/seed1/cldr_region.jsonl", "sw")
    before = project.prints("results/**/*.*") | project.prints("resources/**/*.*")
    project.snakemake("--touch")
    assert project.prints("results/**/*.*") | project.prints("resources/**/*.*") == before
    assert project.planned()["evaluate"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder read-only, which root may do")
def test_complete_resources_may_be_read_only(project):
    """A dry run, and a run that computes a score from them."""
    project.drop("results/tiny/scores/tiny/none/seed1/cldr_region.jsonl", "sw")
    before, resources = project.scores(), str(project.folder / "resources")
    subprocess.run(["mount", "--bind", resources, resources], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", resources], check=True)
    try:
        assert project.planned()["evaluate"] == 1
        project.snakemake("--summary")
        project.snakemake()
    finally:
        subprocess.run(["umount", resources], check=True)
    assert len(project.scores()) == len(before) + 1
    assert project.planned() == {}


def test_claims_are_judged_once_and_printed(project):
    """``snakemake claims``: a claim that this study cannot measure says which study can."""
    printed = " ".join(project.snakemake("claims").stdout.split())
    assert "7 not testable XLM-R Large is the state of the art" in printed
    assert "snakemake --configfile config/phang2020.yaml" in printed
    results = project.folder / "results" / "tiny"
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    assert {claim["verdict"] for claim in claims} >= {"not measured", "inconclusive"}
    assert "judge_claims" not in project.snakemake("-n", "claims").stdout


def test_the_report_of_snakemake_shows_the_results(project):
    """Page, table, figures and their tables with captions; the file needs no network."""
    project.snakemake("--report", "shown.html")
    page = (project.folder / "shown.html").read_text()
    assert "report.html" in page
    for category in ("Results", "Figures", "Tables"):
        assert category in page
    assert "gain by language" in page


MODULE = """
module grid:
    snakefile: {snakefile!r}
    config: config["grid"]

use rule * from grid as grid_*

rule all:
    default_target: True
    input: rules.grid_all.input
"""


def test_it_runs_as_a_module_of_another_workflow_and_without_hooks(project, tmp_path):
    """Its cards and its lock are found beside its own Snakefile."""
    outer = tmp_path / "outer"
    outer.mkdir()
    snakefile = str(project.folder / "Snakefile")
    (outer / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
    study = project.study_as_written() | {"study": "inner", "conditions": ["none"]}
    study |= {"resources": str(project.folder / "resources")}
    (outer / "config.yaml").write_text(yaml.safe_dump({"grid": study}))
    shutil.copytree(project.folder / "tiny", outer / "tiny")
    arguments = ["--directory", str(outer), "-s", str(outer / "Snakefile")]
    arguments += ["--configfile", str(outer / "config.yaml")]
    jobs = project.planned(*arguments)
    assert jobs["grid_evaluate"] == 2
    assert "grid_train" not in jobs
    project.snakemake(*arguments, "--no-hooks")
    assert (outer / "results/inner/report.html").is_file()
    assert project.planned(*arguments) == {}


def test_it_can_be_included(project, tmp_path):
    """The other Snakefile names the target; the study is its config."""
    (tmp_path / "Snakefile").write_text(
        f'configfile: "mine.yaml"\ninclude: {str(project.folder / "Snakefile")!r}\n'
    )
    study = project.study_as_written() | {"resources": str(project.folder / "resources")}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study | {"study": "included"}))
    shutil.copytree(project.folder / "tiny", tmp_path / "tiny")
    arguments = ["--directory", str(tmp_path), "-s", str(tmp_path / "Snakefile"), "all"]
    assert project.planned(*arguments)["evaluate"] == 4


def test_the_entry_of_the_workflow_catalogue_plans_the_same(project):
    """``workflow/Snakefile`` is where snakedeploy looks."""
    project.drop("results/tiny/scores/tiny/none/seed1/cldr_region.jsonl", "sw")
    jobs = project.planned("-s", "workflow/Snakefile")
    jobs.pop("default", None)
    assert jobs == project.planned()


def test_snakemake_and_validate_say_the_same_of_a_study(project):
    """One strict loader, whoever reads the file."""
    cases = {
        "a key twice": "study: tiny\nstudy: other\n",
        "a tab": "study:\ttiny\n",
        "no mapping": "- tiny\n",
        "empty": "",
    }
    for text in cases.values():
        (project.folder / "bad.yaml").write_text(text)
        said = project.xstilts("validate", "bad.yaml", check=False).splitlines()
        done = project.snakemake("-n", "--configfile", "bad.yaml", check=False)
        assert done.returncode
        lines = [line for line in done.stdout.splitlines() if line.startswith("xstilts: ")]
        assert "Traceback" not in done.stdout
        if lines:  # some texts Snakemake itself refuses before
            assert lines == said


def test_several_files_and_overrides_make_one_study(project):
    """As Snakemake merges them: later files and ``--config`` win."""
    (project.folder / "more.yaml").write_text("languages: [sw]\n")
    files = ["--configfile", "config/config.yaml", "more.yaml"]
    jobs = project.planned(*files, "--config", "seeds=[1,2]")
    assert jobs["train"] == 3
    assert jobs["evaluate"] == 4


@pytest.mark.parametrize("key", ["xstilts_run", "frozen", "cells"])
def test_a_key_that_no_study_has_is_refused(key, project):
    """Also the one by which jobs learn their run."""
    done = project.snakemake("-n", "--config", f"{key}=1", check=False)
    assert done.returncode
    assert f"unknown key '{key}'" in done.stdout
    assert "Traceback" not in done.stdout


def test_paths_with_a_home_or_variable_are_expanded(project):
    """As a shell would."""
    project.study(results="$PLACE/out")
    os.environ["PLACE"] = str(project.folder / "there")
    try:
        assert project.planned()["evaluate"] == 4
        project.snakemake("download")
    finally:
        del os.environ["PLACE"]
    assert (project.folder / "there/out/tiny/contamination.json").is_file()
    assert not (project.folder / "$PLACE").exists()


def test_a_path_with_braces_is_refused_or_taken_as_it_is(project):
    """Never a WildcardError."""
    project.study(results="re{s}x")
    done = project.snakemake("-n", check=False)
    assert "WildcardError" not in done.stdout
    assert done.returncode == 0 or "results" in done.stdout
