"""A study over several sittings: each continues, in an empty folder, from the archive before it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support.project import Project, new_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow
BOTH = {"seeds": [1, 2]}


@pytest.fixture(scope="module")
def first_sitting(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of seed 1."""
    archive = tmp_path_factory.mktemp("archives") / "seed1.tar.zst"
    finished.xstilts("archive", "-o", str(archive))
    return archive


@pytest.fixture(scope="module")
def second_sitting(first_sitting: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A new folder with seed 1 imported and seed 2 added, run to its end."""
    project = new_project(tmp_path_factory.mktemp("second") / "project")
    project.xstilts("import", str(first_sitting))
    assert "Nothing to be done" in project.snakemake("-n").stdout
    project.study(**BOTH)
    assert project.planned()["train"] == 3
    project.snakemake("archive_results")
    return project


def test_what_was_imported_is_not_computed_again(finished: Project, second_sitting: Project):
    """Its scores keep their bytes, and no checkpoint of seed 1 exists here."""
    imported = {name: sha for name, sha in second_sitting.scores().items() if "/seed1/" in name}
    assert imported == finished.scores()
    weights = list(second_sitting.folder.glob("resources/checkpoints/**/weights.safetensors"))
    stamps = list(second_sitting.folder.glob("resources/checkpoints/**/stamp.json"))
    assert (len(weights), len(stamps)) == (3, 6)


def test_the_report_is_of_both_seeds(second_sitting: Project):
    """Nothing is missing."""
    status = json.loads(second_sitting.xstilts("status", "--json"))
    assert status["scores"] == {"done": 20}
    assert (second_sitting.folder / "results/tiny/report.html").is_file()
    assert "Nothing to be done" in second_sitting.snakemake("-n").stdout


def test_the_third_sitting_continues_from_the_second(second_sitting: Project, tmp_path: Path):
    """The archive holds both seeds; its report is up to date."""
    project = new_project(tmp_path / "project")
    project.study(**BOTH)
    project.xstilts("import", str(second_sitting.folder / "results/tiny/tiny.tar.zst"))
    assert project.scores() == second_sitting.scores()
    assert "Nothing to be done" in project.snakemake("-n").stdout


def test_seeds_from_two_machines_are_merged(
    first_sitting: Path, second_sitting: Project, tmp_path: Path
):
    """Only the table and the report are written, and the archive is that of one machine."""
    other = Project(tmp_path / "other")
    shutil.copytree(second_sitting.folder, other.folder, symlinks=True)
    for folder in other.folder.glob("results/tiny/scores/*/*/seed1"):
        shutil.rmtree(folder)
    other.study(seeds=[2])
    other.xstilts("archive", "-o", str(tmp_path / "seed2.tar.zst"))
    project = new_project(tmp_path / "project")
    project.study(**BOTH)
    project.xstilts("import", str(first_sitting), str(tmp_path / "seed2.tar.zst"))
    assert set(project.planned()) == {"mark_changes", "collect_scores", "write_report"}
    project.snakemake("archive_results")
    whole = "results/tiny/tiny.tar.zst"
    assert (project.folder / whole).read_bytes() == (second_sitting.folder / whole).read_bytes()


def test_a_new_language_trains_what_it_needs(first_sitting: Path, tmp_path: Path):
    """The checkpoints of its target, and those before them."""
    project = new_project(tmp_path / "project")
    project.xstilts("import", str(first_sitting))
    project.study(languages=["en", "sw", "de", "fr"])
    before = project.scores()
    jobs = project.planned()
    assert (jobs["train"], jobs["evaluate"]) == (3, 4)
    project.snakemake()
    after = project.scores()
    assert {name: after[name] for name in before if name.endswith(".json")} == {
        name: sha for name, sha in before.items() if name.endswith(".json")
    }
    assert len(after) > len(before)
