"""The shared store: what was made is taken, what is damaged is not, and nothing half is seen."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from support.stored import KEY, START, bytes_of, flip, grid_in, put_inputs, train
from xstilts.errors import DamagedEntry, LineageError, StoreError
from xstilts.provenance import digests, files
from xstilts.provenance.stamp import verify
from xstilts.store.entry import ENTRY, Entry
from xstilts.store.folder import Folder
from xstilts.store.giving import give
from xstilts.store.run import give_one
from xstilts.store.shelf import entries, open_shelf
from xstilts.store.taken import settle, taken_note
from xstilts.store.taking import take
from xstilts.store.upkeep import collect, damage


@pytest.fixture(scope="session")
def s3():
    """A real S3 server in a process of its own."""
    pytest.importorskip("boto3", reason="boto3 is not installed")
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path, monkeypatch):
    """A store of each kind, empty."""
    if request.param == "folder":
        return str(tmp_path / "store")
    address = request.getfixturevalue("s3")
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3

    bucket = f"b{os.urandom(6).hex()}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/lab/xstilts"


@pytest.fixture
def here(world, tmp_path):
    """A grid of which one recipe checkpoint and what it started from are there."""
    grid = grid_in(world, tmp_path / "here")
    train(grid, START, KEY)
    return grid


@pytest.fixture
def there(world, tmp_path):
    """The same grid in another folder, with nothing."""
    return grid_in(world, tmp_path / "there")


def filled(grid, place):
    shelf = open_shelf(place)
    for key in (START, KEY):
        assert give(grid, shelf, key)
    return shelf


class TestTaking:
    def test_another_folder_gets_the_same_bytes(self, here, there, place):
        shelf = filled(here, place)
        result = take(there, shelf, only=[START, KEY])
        assert result.trainings == ["tiny nli/seed1/intermediate", "tiny nli/seed1/qa"]
        for key in (START, KEY):
            assert bytes_of(there.training(*key)) == bytes_of(here.training(*key))
            verify(there.training(*key).stamp)

    def test_a_whole_grid_is_looked_up_at_once(self, here, there, place):
        """The baseline's recipe `nli` is the very training of the intermediate stage `nli`."""
        shelf = filled(here, place)
        assert shelf.specs() == {here.training(*key).digest for key in (START, KEY)}
        result = take(there, shelf)
        assert sorted(result.trainings) == [
            "tiny nli/seed1/intermediate",
            "tiny nli/seed1/qa",
            "tiny none/seed1/nli",
        ]
        assert result.missing == len(there.trainings()) - 3

    def test_inputs_that_are_not_here_come_along(self, here, there, place):
        result = take(there, filled(here, place), only=[START, KEY])
        names = {Path(name).relative_to(there.resources) for name in result.inputs}
        assert names == {
            Path("encoders/tiny/stamp.json"),
            Path("examples/nli/train/en.json"),
            Path("examples/qa/train/en.json"),
        }
        for name in names:
            ours = (there.resources / name).read_bytes()
            assert ours == (here.resources / name).read_bytes()
            verify(there.resources / name)

    def test_a_dry_look_counts_and_changes_nothing(self, here, there, place):
        result = take(there, filled(here, place), only=[START, KEY], dry=True)
        assert len(result.trainings) == 2
        assert not there.results.exists()
        assert not there.resources.exists()

    def test_what_is_here_is_left_alone(self, here, place):
        shelf = filled(here, place)
        before = here.training(*KEY).stamp.stat()
        result = take(here, shelf, only=[START, KEY])
        assert result.trainings == []
        assert here.training(*KEY).stamp.stat() == before

    def test_other_bytes_of_an_input_are_no_hit(self, here, there, place):
        """A spec does not know what a download gave: its stamp does."""
        shelf = filled(here, place)
        put_inputs(there, START, salt="another file behind the same address")
        result = take(there, shelf, only=[START, KEY])
        assert result.trainings == []
        assert result.missing == 2

    def test_another_spec_is_no_hit(self, world, here, tmp_path, place):
        other = grid_in(world, tmp_path / "there", training={"all": {"epochs": 1}})
        assert take(other, filled(here, place)).trainings == []

    def test_a_recipe_is_not_taken_before_its_start_is_known(self, here, there, place):
        shelf = open_shelf(place)
        give(here, shelf, KEY)
        assert take(there, shelf, only=[START, KEY]).trainings == []

    def test_an_encoder_in_a_folder_must_have_the_same_bytes(
        self, world, here, there, place, tmp_path
    ):
        """Its spec names only the folder."""
        shelf = filled(here, place)
        source = tmp_path / "source"
        source.mkdir()
        there.encoder_sources = lambda _: [source / "model.safetensors"]
        model = here.encoder_stamp("tiny").parent / "model.safetensors"
        (source / "model.safetensors").write_bytes(model.read_bytes() + b"!")
        assert take(there, shelf, only=[START]).trainings == []
        (source / "model.safetensors").write_bytes(model.read_bytes())
        assert len(take(there, shelf, only=[START]).trainings) == 1

    def test_the_run_record_and_a_note_of_the_source_come_with_it(self, here, there, place):
        take(there, filled(here, place), only=[START, KEY])
        stamp = there.training(*KEY).stamp
        assert files.read_json(stamp.parent / "run.json")["seconds"] == 12.5
        note = files.read_json(taken_note(stamp))
        assert note["from"] == open_shelf(place).place
        assert note["stamp"] == digests.file_sha256(stamp)


class TestDamage:
    @pytest.mark.parametrize("name", ["weights.safetensors", "stamp.json"])
    def test_a_flipped_bit_is_noticed_set_aside_and_made_again(self, here, there, tmp_path, name):
        shelf = filled(here, str(tmp_path / "store"))
        (key,) = [k for k in shelf.keys("checkpoints/") if here.training(*KEY).digest in k]
        shutil.copy(shelf.root / key / name, tmp_path / "copy")  # not the study's own file
        (shelf.root / key / name).unlink()
        shutil.copy(tmp_path / "copy", shelf.root / key / name)
        flip(shelf.root / key / name)
        said = []
        result = take(there, shelf, said.append, only=[START, KEY])
        assert result.trainings == ["tiny nli/seed1/intermediate"]
        assert len(result.damaged) == 1
        assert "set aside" in said[0]
        assert name in said[0]
        assert not there.training(*KEY).stamp.exists()
        assert list((shelf.root / "corrupt").iterdir())
        train(there, KEY)
        assert give(there, shelf, KEY)
        assert take(here, shelf, only=[KEY]).damaged == []

    def test_a_damaged_object_in_a_bucket_is_noticed(self, here, there, place):
        if not place.startswith("s3"):
            pytest.skip("the folder has tests of its own")
        shelf = filled(here, place)
        key = f"checkpoints/{here.training(*START).digest}/"
        (entry,) = [e for _, e in entries(shelf, key)]
        weights = entry.files["weights.safetensors"]
        where = f"{shelf.prefix}{entry.key}/{weights.object}"
        shelf._asked("put_object", Key=where, Body=b"\0" * weights.size)
        result = take(there, shelf, only=[START])
        assert len(result.damaged) == 1
        assert shelf.entry(entry.key) is None
        assert give(here, shelf, START)
        assert len(take(there, shelf, only=[START]).trainings) == 1

    def test_an_entry_of_another_key_is_refused(self, here, tmp_path):
        shelf = filled(here, str(tmp_path / "store"))
        first, second = shelf.keys("checkpoints/")
        shutil.copy(shelf.root / first / ENTRY, shelf.root / second / ENTRY)
        with pytest.raises(DamagedEntry, match="is of another entry"):
            shelf.entry(second)

    def test_a_name_that_leads_out_of_the_folder_is_refused(self):
        kept = {"sha256": "0", "size": 1}
        says = {
            "key": "k",
            "spec": "s",
            "stamp": "../../x",
            "inputs": {},
            "files": {"../../x": kept},
            "about": {},
        }
        with pytest.raises(DamagedEntry, match="no plain file name"):
            Entry.read("k", json.dumps(says).encode())

    def test_verify_names_what_is_wrong(self, here, tmp_path, place):
        shelf = filled(here, place)
        found = [damage(shelf, e, tmp_path) for _, e in entries(shelf)]
        assert found == [None] * 5

    def test_a_checkpoint_that_is_not_whole_is_not_given(self, here, tmp_path):
        flip(here.training(*KEY).stamp.parent / "weights.safetensors")
        with pytest.raises(LineageError, match=r"weights\.safetensors"):
            give(here, Folder(tmp_path / "store"), KEY)


def give_at_once(grid, place, start):
    start.wait()
    give(grid, open_shelf(place), START)
    give(grid, open_shelf(place), KEY)


class TestWriters:
    def test_many_writers_of_one_entry_leave_one_whole_entry(self, world, there, tmp_path, place):
        """Each has trained the same to other bits, as other devices would."""
        spawn = multiprocessing.get_context("fork")
        barrier = spawn.Barrier(6)
        grids = [grid_in(world, tmp_path / f"writer{i}") for i in range(6)]
        for i, grid in enumerate(grids):
            train(grid, START, KEY, salt=str(i))
        writers = [
            spawn.Process(target=give_at_once, args=(grid, place, barrier)) for grid in grids
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [w.exitcode for w in writers] == [0] * 6
        shelf = open_shelf(place)
        assert len(shelf.keys(f"checkpoints/{grids[0].training(*START).digest}/")) == 1
        assert all(damage(shelf, e, tmp_path) is None for _, e in entries(shelf))
        result = take(there, shelf, only=[START, KEY])
        assert result.damaged == []
        assert "tiny nli/seed1/intermediate" in result.trainings
        trained = [bytes_of(grid.training(*START)) for grid in grids]
        assert bytes_of(there.training(*START)) in trained

    def test_a_writer_killed_at_any_moment_leaves_no_false_entry(self, here, there, tmp_path):
        """SIGKILL after so many milliseconds of putting, in a process of its own."""
        place = tmp_path / "store"
        for milliseconds in range(0, 30, 3):
            child = os.fork()
            if child == 0:
                while True:  # put and remove for ever
                    shelf = Folder(place)
                    give(here, shelf, START)
                    shelf.remove(shelf.keys("checkpoints/")[0])
            time.sleep(milliseconds / 1000)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            shelf = Folder(place)
            assert all(damage(shelf, e, tmp_path) is None for _, e in entries(shelf))
        give(here, shelf, START)
        assert take(there, shelf, only=[START]).trainings
        shelf.sweep(0)
        assert list((place / "tmp").iterdir()) == []

    def test_an_upload_that_stops_leaves_no_entry(self, here, there, place, monkeypatch):
        if not place.startswith("s3"):
            pytest.skip("the folder has tests of its own")
        shelf = open_shelf(place)
        asked = shelf._asked

        def cut(operation, **how):
            if how.get("Key", "").endswith(ENTRY) and operation == "put_object":
                raise StoreError("the line is cut")
            return asked(operation, **how)

        monkeypatch.setattr(shelf, "_asked", cut)
        with pytest.raises(StoreError):
            give(here, shelf, START)
        fresh = open_shelf(place)
        assert fresh.keys("") == []
        assert take(there, fresh, only=[START]).missing == 1
        assert fresh.sweep(0) > 0
        assert [*fresh._listed("")] == []

    def test_a_store_that_cannot_be_written_does_not_fail_a_training(self, world, tmp_path):
        (tmp_path / "blocked").write_text("a file")
        grid = grid_in(world, tmp_path / "here", store=str(tmp_path / "blocked/store"))
        train(grid, START)
        said = []
        give_one(grid, START, said.append)
        assert "xstilts store push" in said[0]


class TestHouse:
    def test_large_files_are_links_and_read_only(self, here, tmp_path):
        shelf = filled(here, str(tmp_path / "store"))
        weights = here.training(*KEY).stamp.parent / "weights.safetensors"
        assert weights.stat().st_nlink == 2
        assert weights.stat().st_mode & 0o222 == 0
        assert here.training(*KEY).stamp.stat().st_nlink == 1
        assert shelf.place == str(tmp_path / "store")

    def test_the_least_recently_used_go_first(self, here, there, tmp_path):
        shelf = filled(here, str(tmp_path / "store"))
        by_spec = {k.split("/")[1]: k for k in shelf.keys("checkpoints/")}
        older, newer = (by_spec[here.training(*key).digest] for key in (KEY, START))
        os.utime(shelf.root / older / ENTRY, (1000, 1000))
        os.utime(shelf.root / newer / ENTRY, (2000, 2000))
        for key in shelf.keys("inputs/"):
            os.utime(shelf.root / key / ENTRY, (1000, 1000))
        size = shelf.entry(newer).size
        freed = collect(shelf, max_bytes=size + 5000, now=3000.0)
        gone = [key for key in freed.entries if key.startswith("checkpoints/")]
        assert gone == [older]
        assert len(shelf.keys("inputs/")) == 2  # encoder and examples of the one that is left
        assert freed.left <= size + 5000

    def test_age_decides_too_and_a_dry_collection_removes_nothing(self, here, place):
        shelf = filled(here, place)
        later = time.time() + 10_000
        assert len(collect(shelf, older_than=9_000, now=later, dry=True).entries) == 5
        assert len(shelf.keys("")) == 5
        collect(shelf, older_than=9_000, now=later)
        assert shelf.keys("") == []

    def test_a_bucket_needs_a_name(self):
        with pytest.raises(StoreError, match="names no bucket"):
            open_shelf("s3://")


class TestSettling:
    def test_a_taken_checkpoint_is_newer_than_its_inputs(self, here, there, tmp_path):
        take(there, filled(here, str(tmp_path / "store")), only=[START, KEY])
        late = time.time() + 50
        os.utime(there.encoder_stamp("tiny"), (late, late))
        assert settle(there, dry=False) == 0
        assert there.training(*KEY).stamp.stat().st_mtime >= late

    def test_one_that_is_no_longer_asked_for_is_older_than_all(self, world, here, tmp_path):
        shelf = filled(here, str(tmp_path / "store"))
        there = grid_in(world, tmp_path / "there")
        take(there, shelf, only=[START, KEY])
        changed = grid_in(world, tmp_path / "there", training={"recipe": {"epochs": 1}})
        assert settle(changed, dry=True) == 1
        assert there.training(*KEY).stamp.stat().st_mtime == 1
        settle(there, dry=False)
        assert there.training(*KEY).stamp.stat().st_mtime > 1

    def test_what_was_trained_here_is_left_to_snakemake(self, world, here, tmp_path):
        changed = grid_in(world, tmp_path / "here", training={"recipe": {"epochs": 1}})
        before = here.training(*KEY).stamp.stat().st_mtime_ns
        assert settle(changed, dry=False) == 0
        assert here.training(*KEY).stamp.stat().st_mtime_ns == before
