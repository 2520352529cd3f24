"""Tokenised texts are kept on disk, and nothing but time depends on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import tiny
from xstilts.models import token_cache
from xstilts.models.tokenizer import Tokenizer

TEXTS = ["a few letters", "", "more", "a few letters", "æøå ünd 漢字"]


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch):
    """However short."""
    monkeypatch.setattr(token_cache, "WORTH_KEEPING", 0)


@pytest.fixture
def folder(tmp_path):
    return tiny.tokenizer_file(tmp_path)


def entries(folder):
    return sorted((folder / "tokens").glob("*.safetensors"))


def same(left, right):
    return all(
        np.array_equal(a.ids, b.ids) and np.array_equal(a.spans, b.spans)
        for a, b in zip(left, right, strict=True)
    )


class Forbidden:
    """A tokenizer that must not be asked."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was called")


def reading_only(folder):
    tokenizer = Tokenizer(folder)
    tokenizer._fast = Forbidden()
    return tokenizer


def test_another_job_does_not_tokenise_again(folder):
    """It reads what the first one kept."""
    first = Tokenizer(folder)(TEXTS)
    assert len(entries(folder)) == 1
    assert same(reading_only(folder)(TEXTS), first)


@given(texts=st.lists(st.text(max_size=20), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_read_is_what_was_tokenised(folder, texts):
    """Whatever the texts: empty, repeated, of no tokens."""
    expected = [Tokenizer(folder)._joined_tokens([text]) for text in texts]
    assert same(Tokenizer(folder)(texts), expected)
    assert same(Tokenizer(folder)(texts), expected)


def test_other_texts_are_another_entry(folder):
    """Also where their letters join to the same."""
    tokenizer = Tokenizer(folder)
    tokenizer(["ab", "c"])
    tokenizer(["a", "bc"])
    assert len(entries(folder)) == 2


def test_another_tokenizer_is_another_entry(folder):
    """Its file may be replaced in place."""
    Tokenizer(folder)(TEXTS)
    file = folder / "tokenizer.json"
    file.write_bytes(file.read_bytes() + b"\n")
    Tokenizer(folder)(TEXTS)
    assert len(entries(folder)) == 2


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_entry_is_made_again(folder, damage):
    """It is never believed."""
    expected = Tokenizer(folder)(TEXTS)
    (entry,) = entries(folder)
    good = entry.read_bytes()
    middle = len(good) - 9
    entry.write_bytes(
        {
            "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "cut": good[:-10],
            "emptied": b"",
        }[damage]
    )
    assert same(Tokenizer(folder)(TEXTS), expected)
    assert entry.read_bytes() == good


def test_a_folder_that_cannot_be_written_to_keeps_none(folder):
    """As where an administrator shares the encoders."""
    (folder / "tokens").write_text("in the way")
    assert same(Tokenizer(folder)(TEXTS), Tokenizer(folder)(TEXTS))


def test_few_texts_are_not_kept(folder, monkeypatch):
    """A file for each would be a burden, and they are tokenised in no time."""
    monkeypatch.setattr(token_cache, "WORTH_KEEPING", 10_000)
    Tokenizer(folder)(TEXTS)
    assert entries(folder) == []
