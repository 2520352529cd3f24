"""The file of an archive: the same bytes for the same members, and a reader that trusts nothing."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstilts.archive import archive_file
from xstilts.errors import ArchiveError

SNAPSHOT = "0" * 64
MEMBERS = {
    "study.yaml": b"study: small\n",
    "results/grid.parquet": random.Random(0).randbytes(3000),
    "results/scores/xlmr/none/seed1/xnli.jsonl": b"{}\n" * 700,
    "results/overlaps.tsv": b"",
}


def write(path, members=MEMBERS):
    archive_file.write(path, "small", SNAPSHOT, members)
    return path


def files_in(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """An archive as bytes."""
    return write(tmp_path_factory.mktemp("packed") / "a.tar.zst").read_bytes()


def test_what_was_packed_is_unpacked(tmp_path):
    """Every member with its bytes."""
    manifest = archive_file.unpack(write(tmp_path / "a.tar.zst"), tmp_path / "out")
    assert files_in(tmp_path / "out") == MEMBERS
    assert (manifest.study, manifest.total) == ("small", sum(map(len, MEMBERS.values())))


def test_the_same_members_give_the_same_bytes(tmp_path):
    """From bytes or from files of any time and mode, in any order."""
    for name, content in MEMBERS.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
    files = {name: tmp_path / "files" / name for name in reversed(MEMBERS)}
    first, second = write(tmp_path / "a.tar.zst"), write(tmp_path / "b.tar.zst", files)
    assert first.read_bytes() == second.read_bytes()


def test_it_is_a_tar_that_other_programs_read(tmp_path):
    """Regular files without times and owners, the manifest first."""
    with pa.CompressedInputStream(str(write(tmp_path / "a.tar.zst")), "zstd") as stream:
        tar = tarfile.open(fileobj=io.BytesIO(stream.read()))  # noqa: SIM115
    assert [member.name for member in tar] == ["xstilts-archive.json", *sorted(MEMBERS)]
    about = {(m.type, m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar}
    assert about == {(tarfile.REGTYPE, 0, 0, 0, "", "", 0o644)}


@given(st.data())
@settings(max_examples=60)
def test_a_changed_byte_never_passes(packed, tmp_path_factory, data):
    """The archive is refused, or the members are the same nevertheless."""
    place = data.draw(st.integers(0, len(packed) - 1))
    byte = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("changed")
    path = folder / "a.tar.zst"
    path.write_bytes(packed[:place] + bytes([byte]) + packed[place + 1 :])
    try:
        archive_file.unpack(path, folder / "out")
    except ArchiveError as error:
        refusal = str(error)
    else:
        refusal = None
    assert str(path) in refusal if refusal else files_in(folder / "out") == MEMBERS


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=150)
def test_changed_bytes_of_the_tar_never_pass(packed, tmp_path_factory, changes):
    """Headers, manifest and content: the archive is refused, or the members are the same."""
    folder = tmp_path_factory.mktemp("inside")
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        tar = bytearray(stream.read())
    for place, byte in changes:
        tar[place % len(tar)] = byte
    path = folder / "a.tar.zst"
    path.write_bytes(pa.compress(bytes(tar), "zstd", asbytes=True))
    try:
        archive_file.unpack(path, folder / "out")
    except ArchiveError:
        refused_or_same = True
    else:
        refused_or_same = files_in(folder / "out") == MEMBERS
    assert refused_or_same


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_a_truncated_archive_is_refused(packed, tmp_path_factory, length):
    """Wherever it ends."""
    path = tmp_path_factory.mktemp("truncated") / "a.tar.zst"
    path.write_bytes(packed[: length % len(packed)])
    with pytest.raises(ArchiveError):
        archive_file.unpack(path, path.parent / "out")


@given(st.binary(max_size=2000))
@settings(max_examples=60)
def test_bytes_that_are_no_archive_are_refused(tmp_path_factory, content):
    """As they are, and compressed."""
    path = tmp_path_factory.mktemp("noise") / "a.tar.zst"
    for packed in (content, pa.compress(content, "zstd", asbytes=True)):
        path.write_bytes(packed)
        with pytest.raises(ArchiveError):
            archive_file.unpack(path, path.parent / "out")


# --- crafted archives ----------------------------------------------------------------------------


def craft(path, entries, manifest=None):
    """Write an archive of tar headers and contents as given, the manifest first.

    ``entries``: of (header, content). ``manifest``: its members; default: as the entries say.
    """
    if manifest is None:
        manifest = [[h.name, len(c), hashlib.sha256(c).hexdigest()] for h, c in entries]
    text = json.dumps(
        {
            "format": "xstilts archive",
            "version": 1,
            "study": "small",
            "snapshot": SNAPSHOT,
            "members": manifest,
        }
    ).encode()
    out = bytearray()
    for header, content in [(tarfile.TarInfo("xstilts-archive.json"), text), *entries]:
        if not header.size:
            header.size = len(content)
        out += header.tobuf(tarfile.USTAR_FORMAT)
        out += content + bytes(-len(content) % 512)
    path.write_bytes(pa.compress(bytes(out) + bytes(1024), "zstd", asbytes=True))
    return path


def header(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def refused(path, folder):
    with pytest.raises(ArchiveError) as error:
        archive_file.unpack(path, folder / "out")
    return str(error.value)


def test_the_crafted_archives_are_refused_for_what_is_crafted(tmp_path):
    """Without anything crafted the same archive is read."""
    path = craft(
        tmp_path / "a", [(header("study.yaml"), b"x"), (header("ro-crate-metadata.json"), b"y")]
    )
    archive_file.unpack(path, tmp_path / "out")
    assert files_in(tmp_path / "out") == {"study.yaml": b"x", "ro-crate-metadata.json": b"y"}


OUTSIDE = [
    "../evil.yaml",
    "/etc/passwd",
    "results/../../evil.csv",
    "results/scores/../../../evil.csv",
    "results//evil.csv",
    "./study.yaml",
    "Snakefile",
    "sitecustomize.py",
    "src/xstilts/errors.py",
    "results/.git/hooks/post-checkout",
    "results/evil.csv\x00.py",
    "results/evil\u202e.csv",
    "results\\..\\evil.csv",
    "results/C:evil.csv",
    "resources/checkpoints/xlmr/qa-0/weights.safetensors",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_outside_the_layout_is_refused(name, tmp_path):
    """Paths that leave the folder, and files that some program would run or load."""
    path = craft(tmp_path / "a", [], [[name, 0, hashlib.sha256().hexdigest()]])
    assert "has no such file" in refused(path, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_header_that_bears_another_name_than_the_manifest_is_refused(name, tmp_path):
    """The name in the tar is compared, never used."""
    entry = (header(name.replace("\x00", "")), b"x")
    path = craft(tmp_path / "a", [entry], [["study.yaml", 1, hashlib.sha256(b"x").hexdigest()]])
    assert "expected the file study.yaml" in refused(path, tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_SPARSE,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
    ],
)
def test_only_regular_files_are_unpacked(kind, tmp_path):
    """No link, device or folder, and no extended header, which could hold any name and size."""
    path = craft(tmp_path / "a", [(header("study.yaml", kind, "/etc/passwd"), b"x")])
    assert "expected the file study.yaml" in refused(path, tmp_path)
    assert not (tmp_path / "out" / "study.yaml").is_symlink()


def test_two_members_of_one_name_are_refused(tmp_path):
    """Also those that are one file on a disk that ignores case, or normalises accents."""
    for first, second in (
        ("results/a.csv", "results/a.csv"),
        ("results/a.csv", "results/A.csv"),
        ("results/\u00e9.csv", "results/e\u0301.csv"),
    ):
        path = craft(tmp_path / "a", [(header(first), b"x"), (header(second), b"y")])
        assert "would be one file" in refused(path, tmp_path)


def test_a_member_that_the_manifest_does_not_name_is_refused(tmp_path):
    """Behind all others."""
    entries = [(header("study.yaml"), b"x"), (header("results/a.csv"), b"y")]
    path = craft(tmp_path / "a", entries, [["study.yaml", 1, hashlib.sha256(b"x").hexdigest()]])
    assert "more members than its manifest" in refused(path, tmp_path)


def test_a_member_that_grows_while_it_is_unpacked_is_refused(tmp_path):
    """The manifest declares a byte, the header a gibibyte."""
    entries = [(header("study.yaml", size=2**30), b"x" * 5000)]
    path = craft(tmp_path / "a", entries, [["study.yaml", 1, hashlib.sha256(b"x").hexdigest()]])
    assert "has 1,073,741,824 bytes, not 1" in refused(path, tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    """A thousand times as much as the file has."""
    path = write(tmp_path / "a.tar.zst", {"results/grid.parquet": bytes(2**22)})
    assert path.stat().st_size < 2**12
    with pytest.raises(ArchiveError, match="more than the 1,000,000 that are allowed"):
        archive_file.unpack(path, tmp_path / "out", largest=1_000_000)
    assert not (tmp_path / "out").exists()


def test_endless_zeros_behind_the_members_are_refused(tmp_path):
    """They are not read to their end."""
    path = craft(tmp_path / "a", [])
    path.write_bytes(path.read_bytes() + pa.compress(bytes(2**26), "zstd", asbytes=True))
    assert "more members than its manifest" in refused(path, tmp_path)


def test_a_manifest_that_is_too_large_is_refused_unread(tmp_path):
    """The header says so."""
    info = header("xstilts-archive.json", size=2**35)
    path = tmp_path / "a"
    content = info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)
    path.write_bytes(pa.compress(content, "zstd", asbytes=True))
    assert "its manifest has 34,359,738,368 bytes" in refused(path, tmp_path)


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "{}",
        "[" * 100_000,
        '{"format": "xstilts archive", "version": 2, "study": "a", "members": []}',
        '{"format": "xstilts archive", "version": 1, "study": "../a", "members": []}',
        '{"format": "xstilts archive", "version": 1, "study": "a", "members": [["a", -1, "0"]]}',
    ],
)
def test_a_manifest_of_another_form_is_refused(manifest, tmp_path):
    """One line says what is wrong with it."""
    info = header("xstilts-archive.json", size=len(manifest))
    content = info.tobuf(tarfile.USTAR_FORMAT) + manifest.encode() + bytes(-len(manifest) % 512)
    path = tmp_path / "a"
    path.write_bytes(pa.compress(content + bytes(1024), "zstd", asbytes=True))
    assert ": manifest: " in refused(path, tmp_path)
