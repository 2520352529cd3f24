"""Downloads against a real local server: truncation, resuming, wrong bytes, bad sources."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import multiprocessing
import sys
import tarfile
import types
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.website import CONTENT, site
from xstilts.config.raw_file import HubFile, RawFile
from xstilts.data.sources import _take_member, _Unavailable, came, fetch, read_checksums, read_lock
from xstilts.errors import ChecksumMismatch, DataError, MalformedFile, MissingFile

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["site"]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def get(tmp_path, file, *, mirror=None, known=None, **more):
    return fetch(
        file, resources=tmp_path / "resources", mirror=mirror, checksums=known or {}, **more
    )


def left_behind(tmp_path):
    """All that lies in the folder of the file, locks and the lock table apart."""
    folder = tmp_path / "resources" / "raw"
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.endswith(".lock")} - {"lock.tsv", "sources.tsv"}


# --- the mirror ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pack"), [("m/a.txt", bytes), ("m/a.txt.gz", gzip.compress), ("m/a.txt", bz2.compress)]
)
def test_a_file_of_the_mirror_is_stored_uncompressed(tmp_path, name, pack):
    """Whether it is packed there or not."""
    stored = tmp_path / "mirror" / name
    stored.parent.mkdir(parents=True)
    stored.write_bytes(pack(CONTENT))
    file = RawFile(path="set/a.txt", mirror="m/a.txt")
    path = get(tmp_path, file, mirror=tmp_path / "mirror", known={"set/a.txt": sha(CONTENT)})
    assert path == tmp_path / "resources/raw/set/a.txt"
    assert path.read_bytes() == CONTENT


def test_the_next_source_is_asked_when_the_mirror_has_other_bytes(tmp_path, site):
    """An old mirror must not stop a download."""
    (tmp_path / "a.txt").write_text("old")
    file = RawFile(path="a.txt", mirror="a.txt", url=f"{site.url}/data.txt")
    path = get(tmp_path, file, mirror=tmp_path, known={"a.txt": sha(CONTENT)})
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_everywhere_are_named_with_what_to_do(tmp_path, site):
    """File, expected, got by source."""
    (tmp_path / "a.txt").write_text("old")
    file = RawFile(path="a.txt", mirror="a.txt", url=f"{site.url}/data.txt")
    with pytest.raises(ChecksumMismatch) as caught:
        get(tmp_path, file, mirror=tmp_path, known={"a.txt": "0" * 64})
    message = str(caught.value)
    assert f"expected sha256 {'0' * 64} (config/downloads.tsv)" in message
    assert f"mirror: sha256 {sha(b'old')}" in message
    assert f"url: sha256 {sha(CONTENT)}" in message
    assert "correct config/downloads.tsv" in message
    assert left_behind(tmp_path) == set()


def test_a_missing_file_lists_every_source_and_why(tmp_path, site, hub):
    """So that the reader can mend any of them."""
    file = RawFile(
        path="x/y.json",
        mirror="x/y.json",
        hub=HubFile(repo="o/r", revision=COMMIT, file="y.json"),
        url=f"{site.url}/gone.json",
    )
    with pytest.raises(MissingFile) as caught:
        get(tmp_path, file, mirror=tmp_path / "mirror")
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  mirror: {tmp_path / 'mirror/x/y.json'}[.gz] is not there"
    assert lines[2] == f"  hub: {site.url}/datasets/o/r/resolve/{COMMIT}/y.json: HTTP 404"
    assert lines[3] == f"  url: {site.url}/gone.json: HTTP 404"


def test_without_a_mirror_folder_the_message_says_so(tmp_path):
    """The study names it."""
    with pytest.raises(MissingFile, match="mirror: the study names no mirror folder"):
        get(tmp_path, RawFile(path="a", mirror="a"))


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, path):
    """In the resources and in the mirror."""
    with pytest.raises(DataError, match="must stay inside its folder"):
        get(tmp_path, RawFile(path=path, mirror="a"), mirror=tmp_path)
    with pytest.raises(DataError, match="must stay inside its folder"):
        get(tmp_path, RawFile(path="a", mirror=path), mirror=tmp_path)


# --- the hub -------------------------------------------------------------------------------------


COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "f" * 40


@pytest.fixture
def hub(site, monkeypatch, tmp_path):
    """The local server as the Hub: its repository o/r at one commit, to which main points."""
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    publish(site, COMMIT, {"data/f-00000-of-00002.txt": CONTENT, "f.txt": CONTENT})
    return site


def publish(site, commit, files):
    """What the Hub answers about main, and the files of a commit."""
    says = {"id": "o/r", "sha": commit, "siblings": [{"rfilename": name} for name in files]}
    for revision in ("main", commit):
        site.files[f"api/datasets/o/r/revision/{revision}"] = json.dumps(says).encode()
    for name, content in files.items():
        site.files[f"datasets/o/r/resolve/{commit}/{name}"] = content


def test_a_pinned_revision_is_asked_for_at_its_commit(tmp_path, hub):
    """One request, for the very file; what came from where is written down."""
    file = RawFile(path="a", hub=HubFile(repo="o/r", revision=COMMIT, file="f.txt"))
    assert get(tmp_path, file).read_bytes() == CONTENT
    assert [path for path, _ in hub.asked] == [f"/datasets/o/r/resolve/{COMMIT}/f.txt"]
    sources = came(tmp_path / "resources/raw/sources.tsv")
    assert sources == [("a", len(CONTENT), f"hub o/r@{COMMIT}/f.txt")]


def test_a_revision_that_moves_is_held_to_the_commit_of_the_first_download(tmp_path, hub):
    """The lock remembers it, so a second download asks for the same commit."""
    file = RawFile(path="a", hub=HubFile(repo="o/r", revision="main", file="f.txt"))
    path = get(tmp_path, file)
    assert read_lock(tmp_path / "resources/raw/lock.tsv")["a"].source == f"hub o/r@{COMMIT}/f.txt"
    path.unlink()
    publish(hub, LATER, {"f.txt": b"changed"})
    assert get(tmp_path, file).read_bytes() == CONTENT
    assert hub.asked[-1] == (f"/datasets/o/r/resolve/{COMMIT}/f.txt", None)


def test_a_star_stands_for_a_count_of_shards(tmp_path, hub):
    """The first of the files that fit."""
    hub_file = HubFile(repo="o/r", revision=COMMIT, file="data/f-00000-of-*.txt")
    assert get(tmp_path, RawFile(path="a", hub=hub_file)).read_bytes() == CONTENT
    with pytest.raises(MissingFile, match=r"has no file data/g\*"):
        get(tmp_path, RawFile(path="b", hub=hub_file.model_copy(update={"file": "data/g*"})))


def test_an_archive_on_the_hub_gives_its_member(tmp_path, hub):
    """Mewsli-X comes so."""
    publish(hub, COMMIT, {"raw.zip": zipped(one=b"first")})
    hub_file = HubFile(repo="o/r", revision=COMMIT, file="raw.zip")
    assert get(tmp_path, RawFile(path="a", hub=hub_file, member="one")).read_bytes() == b"first"


def test_what_the_hubs_own_cache_holds_is_not_downloaded(tmp_path, hub):
    """People fill it beforehand for nodes without network."""
    snapshot = tmp_path / f"cache/datasets--o--r/snapshots/{COMMIT}"
    snapshot.mkdir(parents=True)
    (snapshot / "f.txt").write_bytes(CONTENT)
    file = RawFile(path="a", hub=HubFile(repo="o/r", revision=COMMIT, file="f.txt"))
    assert get(tmp_path, file).read_bytes() == CONTENT
    assert hub.asked == []


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_offline_nothing_is_asked_of_the_hub(tmp_path, hub, monkeypatch, revision):
    """HF_HUB_OFFLINE means for us what it means for the Hub's client."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file = RawFile(path="a", hub=HubFile(repo="o/r", revision=revision, file="f.txt"))
    with pytest.raises(MissingFile, match="HF_HUB_OFFLINE is set"):
        get(tmp_path, file)
    assert hub.asked == []


def test_a_card_may_put_the_url_before_the_hub(tmp_path, hub):
    """Where the copy on the Hub is not the official data."""
    hub.files["official.txt"] = b"official"
    file = RawFile(
        path="a",
        hub=HubFile(repo="o/r", revision=COMMIT, file="f.txt"),
        url=f"{hub.url}/official.txt",
        order=["url", "hub"],
    )
    assert get(tmp_path, file).read_bytes() == b"official"


@pytest.mark.parametrize("revision", ["abc", "v1.0", "dev"])
def test_a_revision_that_is_neither_a_commit_nor_known_to_move_is_refused(revision):
    """Tags and branches move unseen."""
    with pytest.raises(ValueError, match="neither a commit"):
        HubFile(repo="o/r", revision=revision, file="f")


# --- HTTP ----------------------------------------------------------------------------------------


def test_a_download_reports_its_progress(tmp_path, site):
    """Bytes so far of bytes in all."""
    seen = []
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    get(tmp_path, file, progress=lambda *told: seen.append(told))
    assert seen[-1] == ("a.txt", len(CONTENT), len(CONTENT))


def test_a_truncated_download_goes_on_where_it_broke_off(tmp_path, site):
    """With a Range request, and the joined bytes are right."""
    site.cut = [70_000]
    path = get(tmp_path, RawFile(path="a.txt", url=f"{site.url}/data.txt"))
    assert path.read_bytes() == CONTENT
    assert site.asked[1] == ("/data.txt", "bytes=70000-")
    assert left_behind(tmp_path) == {"a.txt"}


def test_a_server_without_ranges_is_asked_for_everything_again(tmp_path, site):
    """A 200 to a Range request holds the file from its beginning."""
    site.cut, site.ranges = [70_000], False
    path = get(tmp_path, RawFile(path="a.txt", url=f"{site.url}/data.txt"))
    assert path.read_bytes() == CONTENT


def test_a_download_that_stays_truncated_never_gets_the_final_name(tmp_path, site):
    """What has come is kept aside for the next try."""
    site.cut = [10, 10, 10]
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    with pytest.raises(MissingFile, match="after 3 tries"):
        get(tmp_path, file, known={"a.txt": sha(CONTENT)})
    assert left_behind(tmp_path) == {".a.txt.part"}
    site.asked.clear()
    assert get(tmp_path, file, known={"a.txt": sha(CONTENT)}).read_bytes() == CONTENT
    assert site.asked == [("/data.txt", "bytes=30-")]


def test_a_part_of_unknown_origin_is_not_continued(tmp_path, site):
    """Without a checksum nothing would tell that the file has changed since."""
    part = tmp_path / "resources/raw/.a.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"something else")
    path = get(tmp_path, RawFile(path="a.txt", url=f"{site.url}/data.txt"))
    assert path.read_bytes() == CONTENT
    assert site.asked == [("/data.txt", None)]


def test_a_part_longer_than_the_file_is_started_again(tmp_path, site):
    """The server answers 416."""
    part = tmp_path / "resources/raw/.a.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT * 2)
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    assert get(tmp_path, file, known={"a.txt": sha(CONTENT)}).read_bytes() == CONTENT


def test_a_stale_part_does_not_spoil_later_tries(tmp_path, site):
    """Continued into wrong bytes, it is thrown away."""
    part = tmp_path / "resources/raw/.a.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"something else")
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    known = {"a.txt": sha(CONTENT)}
    assert get(tmp_path, file, known=known).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(tmp_path, site, status):
    """Its error passes."""
    site.status = [status, status]
    path = get(tmp_path, RawFile(path="a.txt", url=f"{site.url}/data.txt"))
    assert path.read_bytes() == CONTENT


def test_a_refusal_is_not_tried_again(tmp_path, site):
    """It will not pass."""
    site.status = [403]
    with pytest.raises(MissingFile, match="HTTP 403"):
        get(tmp_path, RawFile(path="a.txt", url=f"{site.url}/data.txt"))
    assert len(site.asked) == 1


def test_a_server_that_is_not_there_is_named(tmp_path, site):
    """With the kind of the failure."""
    with pytest.raises(
        MissingFile, match=r"url: http://127\.0\.0\.1:9/a: ConnectionError, after 3"
    ):
        get(tmp_path, RawFile(path="a.txt", url="http://127.0.0.1:9/a"))


# --- archives ------------------------------------------------------------------------------------


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(**members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_one_member_of_an_archive_is_read_and_the_archive_downloaded_once(tmp_path, site, pack):
    """Official archives hold many files."""
    site.files["all.zip"] = pack(one=b"first", two=b"second")
    for name, content in (("one", b"first"), ("two", b"second")):
        file = RawFile(path=f"set/{name}", url=f"{site.url}/all.zip", member=name)
        assert get(tmp_path, file).read_bytes() == content
    assert len(site.asked) == 1


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_is_not_there_is_named(tmp_path, site, pack):
    """With the archive."""
    site.files["all.zip"] = pack(one=b"first")
    file = RawFile(path="a", url=f"{site.url}/all.zip", member="two")
    with pytest.raises(MissingFile, match=r"all\.zip: has no member two"):
        get(tmp_path, file)


def test_a_member_that_climbs_out_of_its_archive_lands_where_the_card_says(tmp_path, site):
    """Members are read as data; their names are never paths."""
    site.files["all.zip"] = zipped(**{"../../evil": b"data"})
    file = RawFile(path="set/a", url=f"{site.url}/all.zip", member="../../evil")
    assert get(tmp_path, file) == tmp_path / "resources/raw/set/a"
    assert not list(tmp_path.rglob("evil"))


def test_a_damaged_archive_is_thrown_away(tmp_path, site):
    """So that the next try downloads it anew."""
    site.files["all.zip"] = b"no archive"
    file = RawFile(path="set/a", url=f"{site.url}/all.zip", member="one")
    with pytest.raises(MissingFile, match="damaged archive"):
        get(tmp_path, file)
    site.files["all.zip"] = zipped(one=b"first")
    assert get(tmp_path, file).read_bytes() == b"first"


def test_a_member_that_cannot_be_written_costs_no_archive(tmp_path):
    """A full disk says nothing of an archive that took an hour to come."""
    archive, folder = tmp_path / "all.zip", tmp_path / "folder"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.txt", "text")
    folder.mkdir()  # no file can be written here
    with pytest.raises(_Unavailable, match=r"all\.zip: a\.txt: Is a directory"):
        _take_member(archive, "a.txt", folder)
    assert archive.is_file()


# --- checksums -----------------------------------------------------------------------------------


def test_an_unlisted_file_is_recorded_and_verified_from_then_on(tmp_path, site):
    """First come, then known."""
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    path = get(tmp_path, file)
    lock = tmp_path / "resources/raw/lock.tsv"
    assert lock.read_text() == (
        "path\tsha256\tbytes\tsource\n"
        f"a.txt\t{sha(CONTENT)}\t{len(CONTENT)}\turl {site.url}/data.txt\n"
    )
    assert get(tmp_path, file) == path
    assert len(site.asked) == 1
    path.unlink()
    site.files["data.txt"] = b"changed"
    with pytest.raises(ChecksumMismatch, match=r"lock\.tsv"):
        get(tmp_path, file)


def test_what_is_there_needs_no_network(tmp_path, site, monkeypatch):
    """On compute nodes there is none; sockets are forbidden here."""
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    path = get(tmp_path, file)

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert get(tmp_path, file) == path


def test_a_file_that_was_edited_is_fetched_again(tmp_path, site):
    """Present is not enough: its bytes must be right."""
    file = RawFile(path="a.txt", url=f"{site.url}/data.txt")
    known = {"a.txt": sha(CONTENT)}
    get(tmp_path, file, known=known).write_bytes(b"edited")
    assert get(tmp_path, file, known=known).read_bytes() == CONTENT


def _fetch_one(folder: Path, name: str) -> None:
    fetch(
        RawFile(path=name, mirror=name),
        resources=folder / "resources",
        mirror=folder / "mirror",
        checksums={},
    )


def test_many_writers_record_whole_lines(tmp_path):
    """Jobs of a cluster fetch side by side."""
    (tmp_path / "mirror").mkdir()
    names = [f"file{i}" for i in range(8)]
    for name in names:
        (tmp_path / "mirror" / name).write_text(name)
    fork = multiprocessing.get_context("spawn")
    jobs = [fork.Process(target=_fetch_one, args=(tmp_path, name)) for name in names * 2][:10]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    recorded = read_checksums(tmp_path / "resources/raw/lock.tsv")
    assert recorded == {name: sha(name.encode()) for name in names}


def test_a_damaged_checksum_table_names_its_line(tmp_path):
    """A short checksum would be compared with nothing."""
    table = tmp_path / "downloads.tsv"
    table.write_text("# note\npath\tsha256\tbytes\na\tabc\t3\n")
    with pytest.raises(MalformedFile, match=r"downloads\.tsv:3: not 'path, sha256, bytes'"):
        read_checksums(table)


# --- the embedded benchmark ----------------------------------------------------------------------


def test_embedded_files_are_built_anew_each_time(tmp_path, monkeypatch):
    """Their identity is the code that builds them, so an older one must not be taken for it."""
    built = types.ModuleType("xstilts_demo.build")
    built.build = lambda task, split, language: [{"id": f"{task}/{split}/{language}", "n": 1}]
    monkeypatch.setitem(sys.modules, "xstilts_demo.build", built)
    file = RawFile(path="embedded/t/sw.jsonl", embedded="cldr_qa")
    path = get(tmp_path, file, split="test", language="sw")
    assert path.read_text() == '{"id":"cldr_qa/test/sw","n":1}\n'
    built.build = lambda *_: [{"id": "new"}]
    assert get(tmp_path, file, split="test", language="sw").read_text() == '{"id":"new"}\n'
    assert not (tmp_path / "resources/raw/lock.tsv").exists()


def test_a_member_without_an_archive_is_a_slip_of_the_card():
    """The card's error says what is missing."""
    with pytest.raises(ValueError, match="member: names a file in the archive behind hub: or url:"):
        RawFile(path="a", mirror="a", member="b")
