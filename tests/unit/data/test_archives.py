"""Packed files are unpacked, and single members of archives are read as data."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from random import Random

import pytest

from support.disk import full_disk
from xstilts.data.archives import DamagedFile, extract_member, unpack
from xstilts.errors import SourceUnavailable

CONTENT = bytes(range(256)) * 100
LARGE = 10_000_000


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


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_file_is_unpacked_by_its_magic_bytes(source, target, pack):
    source.write_bytes(pack(CONTENT))
    unpack(source, target, LARGE)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_truncated_compressed_data_are_damaged(source, target, pack):
    source.write_bytes(pack(CONTENT)[:-10])
    with pytest.raises(DamagedFile, match="source: damaged compressed data"):
        unpack(source, target, LARGE)


def test_a_file_that_cannot_be_read_is_an_unavailable_source(source, target):
    source.mkdir()
    with pytest.raises(SourceUnavailable, match=r"source: cannot be read \(Is a directory\)"):
        unpack(source, target, LARGE)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_one_member_of_an_archive_is_read(source, target, pack):
    source.write_bytes(pack(one=b"first", two=CONTENT))
    extract_member(source, "two", target, LARGE)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_missing_member_is_named_with_its_archive(source, target, pack):
    source.write_bytes(pack(one=b"first"))
    with pytest.raises(SourceUnavailable, match="source: has no member two"):
        extract_member(source, "two", target, LARGE)


def test_a_folder_of_a_tar_archive_is_not_a_file(source, target):
    with tarfile.open(source, "w") as archive:
        info = tarfile.TarInfo("folder")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    with pytest.raises(SourceUnavailable, match="source: folder is not a file"):
        extract_member(source, "folder", target, LARGE)


@pytest.mark.parametrize("content", [b"no archive", zipped(one=CONTENT)[:-30]])
def test_a_damaged_archive_is_told_from_a_missing_member(source, target, content):
    source.write_bytes(content)
    with pytest.raises(DamagedFile, match="source: damaged archive"):
        extract_member(source, "one", target, LARGE)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_full_disk_does_not_mean_that_the_archive_is_damaged(source, target, pack):
    """The archive may have taken an hour to download."""
    source.write_bytes(pack(one=CONTENT))
    with full_disk(10_000), pytest.raises(OSError, match="File too large"):
        extract_member(source, "one", target, LARGE)


def test_a_link_that_leads_to_itself_does_not_hang(source, target):
    with tarfile.open(source, "w") as archive:
        for name, other in (("a", "b"), ("b", "a")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, other
            archive.addfile(info)
    with pytest.raises(SourceUnavailable):
        extract_member(source, "a", target, LARGE)


def test_an_encrypted_member_is_named_as_such(source, target):
    """The flag of the first file in the archive's two directories."""
    content = bytearray(zipped(one=CONTENT))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match=r"source: damaged archive .*encrypted"):
        extract_member(source, "one", target, LARGE)


def test_an_unknown_method_of_compression_is_named_as_such(source, target):
    content = bytearray(zipped(one=CONTENT))
    content[8] = content[content.index(b"PK\x01\x02") + 10] = 77
    source.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match=r"source: damaged archive .*not supported"):
        extract_member(source, "one", target, LARGE)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_member_of_a_truncated_archive_is_never_taken_for_whole(source, target, mode, share):
    noise = Random(1).randbytes(200_000)
    with tarfile.open(source, mode) as archive:
        info = tarfile.TarInfo("one")
        info.size = len(noise)
        archive.addfile(info, io.BytesIO(noise))
    source.write_bytes(source.read_bytes()[: int(share * source.stat().st_size)])
    with pytest.raises(SourceUnavailable):
        extract_member(source, "one", target, LARGE)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_small_file_that_unpacks_to_a_huge_one_is_stopped(source, target, pack):
    source.write_bytes(pack(bytes(5_000_000)))
    with pytest.raises(SourceUnavailable, match=r"more than 1,000,000 bytes .* max_bytes"):
        unpack(source, target, 1_000_000)
    assert target.stat().st_size <= 1_000_000


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_small_archive_that_holds_a_huge_file_is_stopped(source, target, pack):
    source.write_bytes(pack(one=bytes(5_000_000)))
    with pytest.raises(SourceUnavailable, match="more than 1,000,000 bytes"):
        extract_member(source, "one", target, 1_000_000)
