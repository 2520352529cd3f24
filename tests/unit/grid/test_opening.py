"""Opening a grid: cards, the lock file, and encoders that are local folders."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.world import ENCODER, ROOT
from xstilts.errors import StudyError
from xstilts.provenance import digests


@pytest.fixture
def folder(world, monkeypatch):
    """A local encoder, and a cache of the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(world.folder / "cache"))
    local = world.folder / "encoder"
    local.mkdir()
    (local / "config.json").write_text("{}")
    (local / "model.safetensors").write_bytes(b"weights")
    world.write("encoders", ENCODER | {"folder": str(local)})
    return local


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_another_file_in_a_local_encoder_is_another_path(world, folder):
    """The folder keeps its name, so its content must decide."""
    before = world.grid().encoder("tiny")
    (folder / "model.safetensors").write_bytes(b"others!")
    after = world.grid().encoder("tiny")
    assert after.digest != before.digest
    assert after.stamp != before.stamp


def test_files_that_are_no_part_of_an_encoder_do_not_count(world, folder):
    """Such as a user's notes."""
    before = world.grid().encoder("tiny").stamp
    (folder / "notes.txt").write_text("from the archive")
    assert world.grid().encoder("tiny").stamp == before


def test_where_a_local_encoder_lies_decides_its_path(world, folder):
    """A card's folder is a part of the card, as a repository on the Hub is."""
    before = world.grid().encoder("tiny").stamp
    folder.rename(folder.with_name("moved"))
    world.write("encoders", ENCODER | {"folder": str(folder.with_name("moved"))})
    assert world.grid().encoder("tiny").stamp != before


def test_a_local_encoder_that_does_not_exist_can_be_planned(world):
    """Fetching it raises the error."""
    world.write("encoders", ENCODER | {"folder": str(world.folder / "nowhere")})
    assert world.grid().sources == {"tiny": {}}


class TestLargeFiles:
    @pytest.fixture(autouse=True)
    def large(self, folder):
        """Weights that are large, without taking space on disk."""
        with (folder / "model.safetensors").open("r+b") as stream:
            stream.truncate(40 * 2**20)

    def test_their_digests_are_kept_in_the_users_cache(self, world, folder):
        """And nothing is written beside the user's files."""
        before = files_below(folder)
        world.grid()
        assert files_below(folder) == before
        assert len(files_below(world.folder / "cache" / "xstilts" / "sha256")) == 1

    def test_they_are_read_once(self, world, monkeypatch):
        """The second command takes the digest from the cache."""
        first = world.grid().sources
        read = []
        sha256 = digests.file_sha256
        monkeypatch.setattr(
            "xstilts.grid.opening.file_sha256", lambda path: read.append(path) or sha256(path)
        )
        assert world.grid().sources == first
        assert [path.name for path in read] == ["lock.txt", "config.json"]

    def test_a_file_that_was_written_to_is_read_again(self, world, folder):
        """Although its size is the same."""
        before = world.grid().encoder("tiny").stamp
        path = folder / "model.safetensors"
        with path.open("r+b") as stream:
            stream.write(b"changed")
        os.utime(path, ns=(1, 1))
        assert world.grid().encoder("tiny").stamp != before

    @pytest.mark.parametrize("note", ["", "[]", "{}", '{"file": {}, "sha256": "0"}', None])
    def test_a_damaged_note_is_ignored(self, world, folder, note):
        """Also one whose sha256 is no text."""
        before = world.grid().sources
        (path,) = files_below(world.folder / "cache")
        path.write_text(path.read_text().replace('"sha256": "', '"sha256": 1, "was": "'))
        if note is not None:
            path.write_text(note)
        assert world.grid().sources == before


def test_the_code_of_a_trusted_author_is_a_part_of_a_local_encoder(world, folder):
    """It runs, so it decides results."""
    (folder / "modeling.py").write_text("one")
    changes = {"architecture": "automodel", "trust_remote_code": True, "code": ["modeling.py"]}
    world.write("encoders", ENCODER | {"folder": str(folder)} | changes)
    before = world.grid().encoder("tiny")
    (folder / "modeling.py").write_text("two")
    assert world.grid().encoder("tiny").digest != before.digest


def test_a_problem_of_the_study_names_it(world):
    """By the name that the caller gives."""
    with pytest.raises(StudyError, match=r"^study\.yaml: seeds: must not be empty"):
        world.grid(seeds=[])


def test_a_grid_is_opened_without_heavy_libraries():
    """Torch, pandas and pyarrow are for jobs: planning takes well under a second."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, xstilts.cli.main\n"
            "from pathlib import Path\n"
            "from xstilts.config.yaml_models import read_yaml\n"
            "from xstilts.grid.snapshot import as_json\n"
            "from xstilts.grid.opening import open_grid\n"
            "path = Path('config/config.yaml')\n"
            "grid = open_grid(read_yaml(path), str(path), path.parent, Path('envs/lock.txt'))\n"
            "assert len(as_json(grid)['code']) > 5\n"
            "heavy = {'torch', 'pandas', 'pyarrow', 'scipy', 'transformers', 'numpy'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
