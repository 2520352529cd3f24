"""docs/how-to-add-a-task.md does what it says: its own files, card, study and commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.project import HOME, NO_NETWORK, Project, new_project

pytestmark = pytest.mark.workflow
PAGE = (HOME / "docs/how-to-add-a-task.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE))
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Someone who has copied every block of the page; the encoder alone is a tiny one."""
    project = new_project(tmp_path_factory.mktemp("how_to") / "project")
    for name, text in FILES.items():
        path = project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("[e5-small-4]", "[tiny]"), encoding="utf-8")
    return project


def test_the_page_has_a_card_a_study_and_data():
    """If the page's marks change, the tests below must not pass on nothing."""
    assert {Path(name).suffix for name in FILES} == {".tsv", ".yaml"}
    assert [line.split()[0] for line in COMMANDS.splitlines()] == ["xstilts", *["snakemake"] * 2]


def test_the_study_is_valid(reader: Project):
    """The page quotes what is said then."""
    done = subprocess.run(
        [sys.executable, "-m", "xstilts.cli.main", *COMMANDS.splitlines()[0].split()[1:]],
        cwd=reader.folder,
        env=os.environ | {"PYTHONPATH": str(reader.folder / "src")},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "config/radio.yaml: ok, 4 scores from 3 trainings\n"
    assert "`ok, 4 scores from 3 trainings`" in PAGE


def test_data_are_fetched_beforehand_and_then_need_no_network(reader: Project):
    """``snakemake download`` says what came from where, once; compute nodes have no network."""
    done = reader.snakemake("download", "--configfile", "config/radio.yaml")
    assert "Downloaded raw files:" in done.stdout
    assert re.search(r"4 files +[\d.]+ k?B  mirror", done.stdout)
    for folder in reader.folder.glob("resources/examples/radio-*"):
        shutil.rmtree(folder)
    shutil.rmtree(reader.folder / "mirror")
    (reader.folder / "mirror").mkdir()
    forbid = reader.folder / "src/sitecustomize.py"
    forbid.write_text(NO_NETWORK)
    again = reader.snakemake("download", "--configfile", "config/radio.yaml")
    assert "Downloaded raw files:" not in again.stdout
    forbid.unlink()


def test_a_new_task_needs_no_code(reader: Project):
    """Planned, run to the report, with scores in both languages."""
    assert reader.planned("--configfile", "config/radio.yaml")["train"] == 3
    done = reader.snakemake("--configfile", "config/radio.yaml")
    assert "Report: results/radio/report.html" in done.stdout
    scores = {
        (path.parents[1].name, json.loads(line)["language"])
        for path in reader.folder.glob("results/radio/scores/tiny/*/seed1/radio.jsonl")
        for line in path.read_text().splitlines()
    }
    assert scores == {(c, code) for c in ("none", "facts_nli") for code in ("en", "ny")}
