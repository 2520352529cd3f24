"""A folder takes the place of another in one step."""

from __future__ import annotations

import pytest

from xstilts.archive import exchange


@pytest.fixture
def folders(tmp_path):
    """A new and an old folder, with a file each, and a free name."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path / "new", tmp_path / "old", tmp_path / "aside"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_new_folder_takes_the_name_and_the_old_one_is_aside(folders, can_exchange, monkeypatch):
    """Also on a file system that cannot exchange two names."""
    new, old, aside = folders
    if not can_exchange:
        monkeypatch.setattr(exchange, "_exchange", lambda first, second: False)
    exchange.replace_folder(new, old, aside)
    assert (old / "file").read_text() == "new"
    assert (aside / "file").read_text() == "old"
    assert not new.exists()


def test_a_folder_that_does_not_exist_is_made(folders, tmp_path):
    """There is nothing to put aside."""
    new, _, aside = folders
    exchange.replace_folder(new, tmp_path / "a" / "b", aside)
    assert (tmp_path / "a" / "b" / "file").read_text() == "new"
    assert not aside.exists()


def test_a_kill_between_two_renames_is_undone(folders):
    """The old content has its name again; otherwise nothing happens."""
    _, old, aside = folders
    exchange.finish(old, aside)
    old.rename(aside)
    exchange.finish(old, aside)
    assert (old / "file").read_text() == "old"
    assert not aside.exists()


def test_an_error_that_is_no_lack_of_support_is_raised(tmp_path):
    """As for a folder that does not exist."""
    with pytest.raises(FileNotFoundError):
        exchange._exchange(tmp_path / "a", tmp_path / "b")
