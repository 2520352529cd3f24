"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import given

from support.values import json_values
from xstilts.errors import LineageError
from xstilts.provenance.files import (
    parse_json,
    read_bytes,
    read_json,
    read_json_object,
    write_atomically,
    write_json,
)


def fail_halfway(path):
    """A writer that dies in mid-file."""
    with write_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


class TestWriteAtomically:
    def test_a_failure_leaves_nothing(self, tmp_path):
        """Neither the file nor a half-written copy of it."""
        with pytest.raises(RuntimeError):
            fail_halfway(tmp_path / "a" / "x.txt")
        assert list((tmp_path / "a").iterdir()) == []

    def test_a_failure_keeps_what_was_there(self, tmp_path):
        """The old file is whole until the new one is."""
        (tmp_path / "x.txt").write_text("old")
        with pytest.raises(RuntimeError):
            fail_halfway(tmp_path / "x.txt")
        assert (tmp_path / "x.txt").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]

    def test_nothing_is_seen_under_the_name_before_the_end(self, tmp_path):
        """A file that exists is whole."""
        with write_atomically(tmp_path / "x.txt") as temporary:
            temporary.write_text("all of it")
            assert not (tmp_path / "x.txt").exists()
            assert temporary.parent == tmp_path  # a rename across file systems is not atomic
        assert (tmp_path / "x.txt").read_text() == "all of it"

    def test_two_writers_do_not_mix(self, tmp_path):
        """Threads of one process write the same file at once; one of them wins whole."""
        together, path = Barrier(2), tmp_path / "x.txt"

        def write(letter):
            with write_atomically(path) as temporary, temporary.open("w") as stream:
                for _ in range(50):
                    stream.write(letter)
                    stream.flush()
                together.wait(timeout=10)

        threads = [Thread(target=write, args=(letter,)) for letter in "ab"]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert path.read_text() in ("a" * 50, "b" * 50)
        assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]

    def test_a_private_temporary_file_becomes_an_ordinary_one(self, tmp_path):
        """Colleagues can read results."""
        with write_atomically(tmp_path / "x.txt") as temporary:
            temporary.touch(mode=0o600)
        (tmp_path / "ordinary.txt").touch()
        assert (tmp_path / "x.txt").stat().st_mode == (tmp_path / "ordinary.txt").stat().st_mode

    @given(json_values)
    def test_json_files_have_one_spelling(self, value):
        """The same value gives the same bytes, and reads back."""
        with tempfile.TemporaryDirectory() as folder:
            one, other = Path(folder, "1.json"), Path(folder, "2.json")
            write_json(one, {"v": value})
            write_json(other, {"v": read_json(one)["v"]})
            assert one.read_bytes() == other.read_bytes()

    def test_an_unreadable_json_file_is_named(self, tmp_path):
        """Cut off in mid-write by someone else's tool."""
        (tmp_path / "x.json").write_text('{"a": ')
        with pytest.raises(LineageError, match=r"x\.json: cannot be read as JSON"):
            read_json(tmp_path / "x.json")

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("[" * 100_000, "nested too deeply"),
            ('{"a": NaN}', "NaN is no number in JSON"),
            ('{"a": -Infinity}', "-Infinity is no number in JSON"),
            ('{"a": "\\ud800"}', "surrogates not allowed"),
            ('{"\\uDEAD": 1}', "surrogates not allowed"),
            ("9" * 5000, "Exceeds the limit"),
            (b"\xff", "can't decode byte 0xff"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_cannot_be_written_again_is_no_json(self, content, problem):
        """All of these are a `ValueError`: callers need to know no other."""
        with pytest.raises(ValueError, match=problem):
            parse_json(content)

    @pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
    def test_a_key_that_is_given_twice_is_refused(self, text):
        """Programs differ in which of the two values they take."""
        with pytest.raises(ValueError, match="the key 'a' is given twice"):
            parse_json(text)

    def test_pairs_of_half_characters_are_characters(self):
        assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"

    def test_a_pipe_or_a_large_file_is_not_read(self, tmp_path):
        """The one may never end, the other exhaust the memory."""
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="not an ordinary file"):
            read_bytes(tmp_path / "pipe")
        (tmp_path / "large").write_bytes(b"12345")
        with pytest.raises(OSError, match="larger than 4 bytes"):
            read_bytes(tmp_path / "large", 4)
        assert read_bytes(tmp_path / "large", 5) == b"12345"

    @pytest.mark.parametrize("content", [None, b'{"a": ', b"[1]", b"\xff"])
    def test_an_object_that_cannot_be_read_counts_as_empty(self, content, tmp_path):
        """Of a missing file, a damaged one, and one that holds another value."""
        path = tmp_path / "x.json"
        if content is not None:
            path.write_bytes(content)
        assert read_json_object(path) == {}

    def test_an_object_is_read(self, tmp_path):
        write_json(tmp_path / "x.json", {"a": 1})
        assert read_json_object(tmp_path / "x.json") == {"a": 1}
