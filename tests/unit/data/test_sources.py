"""A raw file comes from the first of its sources that gives the right bytes."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
from typing import TYPE_CHECKING

import pytest

from support.disk import full_disk, read_only
from support.website import COMMIT, CONTENT, LATER, hub, site
from unit.data.test_archives import zipped
from xstilts.config.raw_file import HubFile, PackageFile, RawFile
from xstilts.data.checksums import Download, downloads, forget, read_lock
from xstilts.data.sources import available_offline, fetch
from xstilts.errors import ChecksumMismatch, DataError, MissingFile
from xstilts.provenance import plugins

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hub", "site"]

KNOWN = {"a": hashlib.sha256(CONTENT).hexdigest()}
PINNED = HubFile(repo="o/r", revision=COMMIT, file="f.txt")
RESOLVED = f"/datasets/o/r/resolve/{COMMIT}/f.txt"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def get(tmp_path, file, *, mirror=None, known=None, **more):
    return fetch(
        file, resources=tmp_path / "resources", mirror=mirror, checksums=known or {}, **more
    )


def left_behind(tmp_path):
    """The names of all files under raw except locks and records."""
    folder = tmp_path / "resources" / "raw"
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.endswith(".lock")} - {"lock.tsv", "sources.tsv"}


@pytest.fixture
def repository(hub):
    """A dataset repository o/r with one commit, main."""
    hub.publish("datasets/o/r", COMMIT, {"f.txt": CONTENT})
    return hub


class TestMirror:
    @pytest.mark.parametrize(("name", "pack"), [("m/a", bytes), ("m/a.gz", gzip.compress)])
    def test_a_file_is_stored_uncompressed(self, tmp_path, name, pack):
        stored = tmp_path / "mirror" / name
        stored.parent.mkdir(parents=True)
        stored.write_bytes(pack(CONTENT))
        path = get(tmp_path, RawFile(path="a", mirror="m/a"), mirror=tmp_path / "mirror")
        assert path == tmp_path / "resources/raw/a"
        assert path.read_bytes() == CONTENT

    def test_without_a_mirror_folder_the_message_names_the_key(self, tmp_path):
        with pytest.raises(MissingFile, match=r"mirror: the study has no mirror folder \(key mir"):
            get(tmp_path, RawFile(path="a", mirror="a"))


class TestContent:
    """Bytes without a known checksum must at least look like the file."""

    @pytest.mark.parametrize(
        ("name", "content", "problem"),
        [
            ("a.tsv", b"", "gave an empty file"),
            ("a.tsv", b"\n<!DOCTYPE html>\n<title>Log in</title>", "gave a page of HTML"),
            ("a.txt", b"<html><body>502</body></html>", "gave a page of HTML"),
            ("a.json", b'{"data": [', "gave a file that does not end like a.json"),
            ("a.json", b"Moved", "gave a file that does not begin like a.json"),
            ("a.parquet", b"PAR1 and then nothing", "gave a file that does not end like"),
        ],
    )
    def test_what_cannot_be_the_file_is_never_recorded(
        self, tmp_path, site, name, content, problem
    ):
        site.files["data.txt"] = content
        file = RawFile(path=name, url=f"{site.url}/data.txt")
        with pytest.raises(MissingFile, match=rf"url: {problem}"):
            get(tmp_path, file)
        assert left_behind(tmp_path) == set()
        assert read_lock(tmp_path / "resources/raw/lock.tsv") == {}

    @pytest.mark.parametrize(
        "content", [b'{"a": 1}\n', b'{"a": 1}\n{"a": 2}\n', b"\xef\xbb\xbf[1]"]
    )
    def test_json_and_json_lines_are_both_called_json(self, tmp_path, site, content):
        site.files["data.txt"] = content
        file = RawFile(path="a.json", url=f"{site.url}/data.txt")
        assert get(tmp_path, file).read_bytes() == content

    def test_a_bad_download_can_be_forgotten(self, tmp_path, site):
        """The message of the mismatch names the command."""
        file, lock = RawFile(path="a", url=f"{site.url}/data.txt"), tmp_path / "resources/raw"
        site.files["data.txt"] = b"Please log in."
        get(tmp_path, file).unlink()
        site.files["data.txt"] = CONTENT
        with pytest.raises(ChecksumMismatch, match="`xstilts forget a` deletes the file and their"):
            get(tmp_path, file)
        assert forget(lock, "a")
        assert get(tmp_path, file).read_bytes() == CONTENT
        assert not forget(lock, "b")

    def test_a_card_may_allow_fewer_bytes(self, tmp_path, site):
        """Or more, for the few files that are so large."""
        file = RawFile(path="a", url=f"{site.url}/data.txt", max_bytes=100)
        with pytest.raises(MissingFile, match=r"more than 100 bytes; .*raise its max_bytes"):
            get(tmp_path, file)


class TestOrder:
    def test_the_next_source_is_asked_if_the_mirror_has_other_bytes(self, tmp_path, site):
        """An old mirror must not stop a download."""
        (tmp_path / "a").write_text("old")
        file = RawFile(path="a", mirror="a", url=f"{site.url}/data.txt")
        assert get(tmp_path, file, mirror=tmp_path, known=KNOWN).read_bytes() == CONTENT

    def test_a_card_may_put_the_url_before_the_hub(self, tmp_path, repository):
        """If the copy on the Hub is not the official data."""
        repository.files["official.txt"] = b"official"
        url = f"{repository.url}/official.txt"
        file = RawFile(path="a", hub=PINNED, url=url, order=["url", "hub"])
        assert get(tmp_path, file).read_bytes() == b"official"

    def test_a_missing_file_lists_every_source_and_why(self, tmp_path, repository):
        """So that the reader can mend any of them."""
        file = RawFile(
            path="x/y.json",
            mirror="x/y.json",
            hub=HubFile(repo="o/r", revision=COMMIT, file="y.json"),
            url=f"{repository.url}/gone.json",
        )
        with pytest.raises(MissingFile) as refused:
            get(tmp_path, file, mirror=tmp_path / "mirror")
        assert str(refused.value).splitlines() == [
            f"{tmp_path / 'resources/raw/x/y.json'}: every source failed:",
            f"  mirror: {tmp_path / 'mirror/x/y.json'}[.gz] does not exist",
            f"  hub: o/r@{COMMIT}: has no file y.json",
            f"  url: {repository.url}/gone.json: HTTP 404",
        ]

    def test_wrong_bytes_everywhere_are_named_with_what_to_do(self, tmp_path, site):
        """File, expected, found by source."""
        (tmp_path / "a").write_text("old")
        file = RawFile(path="a", mirror="a", url=f"{site.url}/data.txt")
        with pytest.raises(ChecksumMismatch) as refused:
            get(tmp_path, file, mirror=tmp_path, known={"a": "0" * 64})
        message = str(refused.value)
        assert f"expected sha256 {'0' * 64} (config/downloads.tsv)" in message
        assert f"mirror: sha256 {sha(b'old')}" in message
        assert f"url: sha256 {sha(CONTENT)}" in message
        assert "correct config/downloads.tsv" in message
        assert left_behind(tmp_path) == set()


class TestHub:
    def test_a_pinned_file_comes_by_one_download_that_is_recorded(self, tmp_path, repository):
        assert get(tmp_path, RawFile(path="a", hub=PINNED)).read_bytes() == CONTENT
        assert repository.asked == [(RESOLVED, None)]
        origin = f"hub o/r@{COMMIT}/f.txt"
        found = downloads(tmp_path / "resources/raw/sources.tsv")
        assert found == [Download("a", sha(CONTENT), len(CONTENT), origin)]

    def test_a_revision_that_moves_stays_at_the_commit_of_the_first_download(
        self, tmp_path, repository, monkeypatch
    ):
        """The lock remembers it, so a second download, on another machine, asks for it."""
        file = RawFile(path="a", hub=HubFile(repo="o/r", revision="main", file="f.txt"))
        path = get(tmp_path, file)
        lock = read_lock(tmp_path / "resources/raw/lock.tsv")
        assert lock["a"].source == f"hub o/r@{COMMIT}/f.txt"
        path.unlink()
        repository.publish("datasets/o/r", LATER, {"f.txt": b"changed"})
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "second"))
        repository.requests.clear()
        assert get(tmp_path, file).read_bytes() == CONTENT
        assert {request.path for request in repository.requests} == {RESOLVED}

    def test_an_archive_gives_its_member(self, tmp_path, repository):
        """Mewsli-X comes so."""
        repository.publish("datasets/o/r", COMMIT, {"raw.zip": zipped(one=b"first")})
        hub_file = HubFile(repo="o/r", revision=COMMIT, file="raw.zip")
        assert get(tmp_path, RawFile(path="a", hub=hub_file, member="one")).read_bytes() == b"first"

    def test_a_damaged_copy_in_the_cache_is_downloaded_again(self, tmp_path, repository):
        file = RawFile(path="a", hub=PINNED)
        path = get(tmp_path, file, known=KNOWN)
        for blob in (tmp_path / "cache/datasets--o--r/blobs").iterdir():
            blob.write_bytes(b"damaged")
        path.unlink()
        assert get(tmp_path, file, known=KNOWN).read_bytes() == CONTENT

    def test_bytes_that_changed_under_their_commit_are_refused(self, tmp_path, repository):
        repository.publish("datasets/o/r", COMMIT, {"f.txt": b"changed"})
        with pytest.raises(ChecksumMismatch, match=rf"hub: sha256 {sha(b'changed')}"):
            get(tmp_path, RawFile(path="a", hub=PINNED), known=KNOWN)
        assert len(repository.asked) == 1

    @pytest.mark.parametrize("revision", ["abc", "v1.0", "dev"])
    def test_a_revision_that_is_neither_a_commit_nor_known_to_move_is_refused(self, revision):
        """Tags and branches move unseen."""
        with pytest.raises(ValueError, match="neither a commit"):
            HubFile(repo="o/r", revision=revision, file="f")


class TestUrl:
    def test_the_progress_names_the_file(self, tmp_path, site):
        seen = []
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        get(tmp_path, file, progress=lambda *report: seen.append(report))
        assert seen[-1] == ("a", len(CONTENT), len(CONTENT))

    def test_a_download_that_broke_off_never_gets_the_final_name(self, tmp_path, site):
        """The next run continues the part, since the checksum proves the whole."""
        site.cut = [10, 10, 10]
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        with pytest.raises(MissingFile, match="after 3 tries"):
            get(tmp_path, file, known=KNOWN)
        assert left_behind(tmp_path) == {".a.part", ".a.part.version"}
        site.requests.clear()
        assert get(tmp_path, file, known=KNOWN).read_bytes() == CONTENT
        assert site.asked == [("/data.txt", "bytes=30-")]
        assert left_behind(tmp_path) == {"a"}

    def test_a_stale_part_does_not_spoil_the_file(self, tmp_path, site):
        """Continued, it gives wrong bytes, and everything is downloaded again."""
        part = tmp_path / "resources/raw/.a.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(b"something else")
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        assert get(tmp_path, file, known=KNOWN).read_bytes() == CONTENT

    def test_an_archive_is_downloaded_once_for_all_its_members(self, tmp_path, site):
        site.files["all.zip"] = zipped(one=b"first", two=b"second")
        for name, content in (("one", b"first"), ("two", b"second")):
            file = RawFile(path=f"set/{name}", url=f"{site.url}/all.zip", member=name)
            assert get(tmp_path, file).read_bytes() == content
        assert len(site.asked) == 1

    def test_a_member_that_climbs_out_of_its_archive_lands_where_the_card_says(
        self, tmp_path, site
    ):
        site.files["all.zip"] = zipped(**{"../../evil": b"data"})
        file = RawFile(path="set/a", url=f"{site.url}/all.zip", member="../../evil")
        assert get(tmp_path, file) == tmp_path / "resources/raw/set/a"
        assert not list(tmp_path.rglob("evil"))

    def test_a_damaged_archive_is_deleted_so_that_the_next_run_downloads_it(self, tmp_path, site):
        site.files["all.zip"] = b"no archive"
        file = RawFile(path="set/a", url=f"{site.url}/all.zip", member="one")
        with pytest.raises(MissingFile, match="damaged archive"):
            get(tmp_path, file)
        site.files["all.zip"] = zipped(one=b"first")
        assert get(tmp_path, file).read_bytes() == b"first"

    def test_a_member_without_an_archive_is_a_slip_of_the_card(self):
        with pytest.raises(ValueError, match="member: names a file in the archive behind hub: or"):
            RawFile(path="a", mirror="a", member="b")


class TestChecksums:
    def test_an_unlisted_file_is_recorded_and_verified_from_then_on(self, tmp_path, site):
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        path = get(tmp_path, file)
        recorded = Download("a", sha(CONTENT), len(CONTENT), f"url {site.url}/data.txt")
        assert read_lock(tmp_path / "resources/raw/lock.tsv") == {"a": recorded}
        assert get(tmp_path, file) == path
        assert len(site.asked) == 1
        path.unlink()
        site.files["data.txt"] = b"changed"
        with pytest.raises(ChecksumMismatch, match=r"lock\.tsv"):
            get(tmp_path, file)

    def test_an_existing_file_needs_no_network(self, tmp_path, site, monkeypatch):
        """Compute nodes have none."""
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        path = get(tmp_path, file)

        def refuse(*_):
            raise AssertionError("the network was used")

        monkeypatch.setattr("socket.socket.connect", refuse)
        assert get(tmp_path, file) == path

    def test_an_existing_file_with_other_bytes_is_fetched_again(self, tmp_path, site):
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        get(tmp_path, file, known=KNOWN).write_bytes(b"edited")
        assert get(tmp_path, file, known=KNOWN).read_bytes() == CONTENT


class TestPackage:
    @pytest.fixture
    def builds(self, monkeypatch):
        """An installed package whose source is called ours."""
        built = {"t/test/sw": [{"id": "1", "n": 1}]}

        def load(group, name):
            assert (group, name) == ("xstilts.sources", "ours")
            return lambda task, split, language: built[f"{task}/{split}/{language}"]

        monkeypatch.setattr(plugins, "load", load)
        return built

    def test_its_rows_are_written_each_time(self, tmp_path, builds):
        """The package's code is the file's identity, so an old file must not stand for it."""
        file = RawFile(path="b/sw.jsonl", package=PackageFile(source="ours", name="t"))
        path = get(tmp_path, file, split="test", language="sw")
        assert path.read_text() == '{"id":"1","n":1}\n'
        builds["t/test/sw"] = [{"id": "new"}]
        assert get(tmp_path, file, split="test", language="sw").read_text() == '{"id":"new"}\n'
        assert left_behind(tmp_path) == {"sw.jsonl"}
        assert not (tmp_path / "resources/raw/lock.tsv").exists()


class TestAvailableOffline:
    def test_an_existing_file_a_mirrored_one_and_a_package_are(self, tmp_path, site):
        (tmp_path / "b.gz").touch()
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        assert not available_offline(file, tmp_path / "resources", None)
        get(tmp_path, file)
        assert available_offline(file, tmp_path / "resources", None)
        mirrored = RawFile(path="b", mirror="b")
        assert available_offline(mirrored, tmp_path / "resources", tmp_path)
        assert not available_offline(mirrored, tmp_path / "resources", tmp_path / "other")
        built = RawFile(path="c", package=PackageFile(source="ours", name="t"))
        assert available_offline(built, tmp_path / "resources", None)


def _fetch(folder: Path, url: str) -> None:
    fetch(RawFile(path="a", url=url), resources=folder, mirror=None, checksums=KNOWN)


class TestDisk:
    def test_processes_that_want_the_same_file_download_it_once(self, tmp_path, site):
        spawn = multiprocessing.get_context("spawn")
        url = f"{site.url}/data.txt"
        jobs = [spawn.Process(target=_fetch, args=(tmp_path, url)) for _ in range(3)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        assert [job.exitcode for job in jobs] == [0, 0, 0]
        assert (tmp_path / "raw/a").read_bytes() == CONTENT
        assert len(site.asked) == 1
        assert len(downloads(tmp_path / "raw/sources.tsv")) == 1

    @pytest.mark.parametrize("source", ["mirror", "hub", "url"])
    def test_a_full_disk_is_one_line_that_says_what_to_do(self, tmp_path, repository, source):
        """No other source is tried: it could not be written either."""
        (tmp_path / "data.txt").write_bytes(CONTENT)
        url = f"{repository.url}/data.txt"
        every = {"mirror": "data.txt", "hub": PINNED, "url": url}
        rest = {name: every[name] for name in every if name != source}
        file = RawFile(path="a", order=[source, *rest], **every)
        with full_disk(10_000), pytest.raises(DataError) as refused:
            get(tmp_path, file, mirror=tmp_path)
        target = tmp_path / "resources/raw/a"
        folder = tmp_path / "cache" if source == "hub" else target.parent
        assert str(refused.value) == (
            f"{target}: cannot be written (File too large); free space on the disk, or make "
            f"{folder} writable, then run again"
        )
        assert not target.exists()
        assert len(repository.asked) == (source != "mirror")

    def test_a_read_only_folder_is_one_line_that_says_what_to_do(self, tmp_path, site):
        raw = tmp_path / "resources/raw"
        raw.mkdir(parents=True)
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        with read_only(tmp_path / "resources"), pytest.raises(DataError) as refused:
            get(tmp_path, file, known=KNOWN)
        assert str(refused.value).startswith(
            f"{raw / 'a'}: cannot be written (Permission denied); free space on the disk, or make "
        )

    def test_a_verified_file_in_a_read_only_folder_is_used(self, tmp_path, site):
        """A group's shared resources."""
        file = RawFile(path="a", url=f"{site.url}/data.txt")
        path = get(tmp_path, file)
        with read_only(tmp_path / "resources"):
            assert get(tmp_path, file) == path
