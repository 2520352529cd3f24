"""``xstilts archive`` and ``xstilts import``."""

from __future__ import annotations

import pytest
import yaml

from support.archives import small_grid
from support.stored import finish
from xstilts.cli.main import main
from xstilts.status.states import States


@pytest.fixture
def grid(world):
    """A finished study and its project's lock file."""
    (world.folder / "envs").mkdir()
    (world.folder / "envs" / "lock.txt").write_bytes((world.folder / "lock.txt").read_bytes())
    (world.folder / "Snakefile").write_text("rule all:\n")
    made = small_grid(world, world.folder)
    finish(made)
    (world.folder / "study.yaml").write_text(yaml.safe_dump(made.study_as_json()))
    return made


def archive(world, *options):
    study = str(world.folder / "study.yaml")
    return main(["archive", study, "--cards", str(world.config), *options])


def test_the_archive_lies_beside_the_results_it_is_of(world, grid, capsys):
    """It says how much of the study it holds."""
    assert archive(world) == 0
    path = grid.paths.results / "small.tar.zst"
    assert capsys.readouterr().out.startswith(f"{path}: 16 of 16 scores, ")
    assert path.is_file()


def test_an_archive_is_restored_in_another_folder(world, grid, tmp_path, capsys, monkeypatch):
    """It says how many scores are new, where the study file is, and whether the code is this."""
    monkeypatch.chdir(world.folder)
    file = tmp_path / "a.tar.zst"
    assert archive(world, "-o", str(file)) == 0
    there = world.folder / "there"
    folders = ["--results", str(there / "results"), "--resources", str(there / "resources")]
    capsys.readouterr()
    assert main(["import", str(file), *folders]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert third == f"{file}: of the version of the code that is here"
    assert first == f"{there}/results/small: 16 scores, 16 of them new"
    assert second.startswith(f"{there}/results/small/imported/")
    restored = small_grid(world, there)
    assert {States(restored).evaluation(k) for k in restored.reads.evaluations()} == {"done"}


def test_more_than_is_allowed_is_refused(world, grid, tmp_path, capsys):
    """In gibibytes."""
    file = tmp_path / "a.tar.zst"
    archive(world, "-o", str(file))
    assert main(["import", str(file), "--results", str(tmp_path / "r"), "--largest", "0"]) == 1
    assert "if you trust it, allow more with --largest" in capsys.readouterr().err
    assert not (tmp_path / "r" / "small").exists()


def test_a_file_that_is_no_archive_is_one_line(tmp_path, capsys):
    """As is one that does not exist."""
    (tmp_path / "a").write_bytes(b"no archive")
    for path in (tmp_path / "a", tmp_path / "b"):
        assert main(["import", str(path), "--results", str(tmp_path / "r")]) == 1
        assert capsys.readouterr().err.startswith(f"xstilts: {path}: ")


def test_scores_of_another_version_are_announced(world, grid, tmp_path, capsys, monkeypatch):
    """Where the environment or the code is another one than that of the archive."""
    file = tmp_path / "a.tar.zst"
    archive(world, "-o", str(file))
    (tmp_path / "there" / "envs").mkdir(parents=True)
    (tmp_path / "there" / "envs" / "lock.txt").write_text("torch==2.14.0\n")
    monkeypatch.chdir(tmp_path / "there")
    capsys.readouterr()
    assert main(["import", str(file)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{file}: 4 of 4 evaluations are of another version of the code ")
    assert last.endswith("computes them again, unless the study has `other_versions: keep`")
