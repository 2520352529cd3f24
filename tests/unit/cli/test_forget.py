"""``xstilts forget``."""

from __future__ import annotations

import pytest

from xstilts.cli.main import main
from xstilts.data.checksums import LOCK, read_lock, record


@pytest.fixture
def raw(tmp_path):
    """Two raw files with their records."""
    folder = tmp_path / "resources" / "raw"
    for name in ("a/b.tsv", "c.tsv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("Please log in.")
        record(folder / LOCK, name, folder / name, "url https://x.org")
    return folder


def test_a_file_and_its_record_are_deleted(raw, capsys):
    assert main(["forget", "a/b.tsv", "--resources", str(raw.parent)]) == 0
    assert capsys.readouterr().out == "a/b.tsv: forgotten; the next run downloads it again\n"
    assert not (raw / "a/b.tsv").exists()
    assert list(read_lock(raw / LOCK)) == ["c.tsv"]


@pytest.mark.parametrize("path", ["absent.tsv", "../../outside"])
def test_a_path_that_is_no_raw_file_is_refused(raw, path, capsys):
    (raw.parent.parent / "outside").write_text("mine")
    assert main(["forget", path, "c.tsv", "--resources", str(raw.parent)]) == 2
    assert f"xstilts: {path}: neither a file of" in capsys.readouterr().err
    assert (raw / "c.tsv").exists()
    assert (raw.parent.parent / "outside").exists()
