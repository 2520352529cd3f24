"""Packed files are unpacked, and single members of archives are read as data."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile

import pytest

from support.disk import full_disk
from xstilts.data.archives import DamagedFile, extract_member, inside, unpack
from xstilts.errors import DataError, SourceUnavailable

CONTENT = bytes(range(256)) * 100


def zipped(**members):
    """A zip archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(**members):
    """A compressed tar archive of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_file_is_unpacked_by_its_magic_bytes(source, target, pack):
    source.write_bytes(pack(CONTENT))
    unpack(source, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_truncated_compressed_data_are_damaged(source, target, pack):
    source.write_bytes(pack(CONTENT)[:-10])
    with pytest.raises(DamagedFile, match="source: damaged compressed data"):
        unpack(source, target)


def test_a_file_that_cannot_be_read_is_an_unavailable_source(source, target):
    source.mkdir()
    with pytest.raises(SourceUnavailable, match=r"source: cannot be read \(Is a directory\)"):
        unpack(source, target)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_one_member_of_an_archive_is_read(source, target, pack):
    source.write_bytes(pack(one=b"first", two=CONTENT))
    extract_member(source, "two", target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_missing_member_is_named_with_its_archive(source, target, pack):
    source.write_bytes(pack(one=b"first"))
    with pytest.raises(SourceUnavailable, match="source: has no member two"):
        extract_member(source, "two", target)


def test_a_folder_of_a_tar_archive_is_not_a_file(source, target):
    with tarfile.open(source, "w") as archive:
        info = tarfile.TarInfo("folder")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    with pytest.raises(SourceUnavailable, match="source: folder is not a file"):
        extract_member(source, "folder", target)


@pytest.mark.parametrize("content", [b"no archive", zipped(one=CONTENT)[:-30]])
def test_a_damaged_archive_is_told_from_a_missing_member(source, target, content):
    source.write_bytes(content)
    with pytest.raises(DamagedFile, match="source: damaged archive"):
        extract_member(source, "one", target)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_full_disk_does_not_mean_that_the_archive_is_damaged(source, target, pack):
    """The archive may have taken an hour to download."""
    source.write_bytes(pack(one=CONTENT))
    with full_disk(10_000), pytest.raises(OSError, match="File too large"):
        extract_member(source, "one", target)


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", ""])
def test_a_path_that_leaves_its_folder_is_refused(path):
    with pytest.raises(DataError, match="must stay inside its folder"):
        inside(path)
