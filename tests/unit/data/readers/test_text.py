"""Bytes to lines to JSON: `xstilts.data.readers.text`."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.data.readers.text import json_lines, json_value, lines
from xstilts.errors import MalformedFile

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff"))


@given(st.lists(TEXTS, min_size=1), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_lines_come_back_as_written_packed_or_not(tmp_path_factory, texts, packed, end):
    """Any text without a line feed survives, U+2028 and U+0085 included, gzipped or plain."""
    path = tmp_path_factory.mktemp("lines") / "file"
    content = "".join(text + end for text in texts).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    assert list(lines(path)) == list(enumerate(texts, start=1))


def test_only_one_carriage_return_is_dropped(tmp_path):
    """A carriage return that belongs to the text stays."""
    (tmp_path / "file").write_bytes(b"a\r\r\nb")
    assert list(lines(tmp_path / "file")) == [(1, "a\r"), (2, "b")]


def test_a_byte_order_mark_is_no_text(tmp_path):
    """Files saved on Windows begin with one; it would hide the first column's name."""
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfid")
    assert list(lines(tmp_path / "file")) == [(1, "id")]


def test_bytes_that_are_not_utf8_are_an_error_with_file_and_line(tmp_path):
    """Strict decoding: nothing is replaced behind the reader's back."""
    path = tmp_path / "file.tsv"
    path.write_bytes(b"good\nbad \xe2\x80\n")
    with pytest.raises(MalformedFile, match=r"file\.tsv:2: not UTF-8 at byte 4 of the line"):
        list(lines(path))


def test_bytes_that_are_not_utf8_are_replaced_when_asked(tmp_path):
    """QQP needs it."""
    (tmp_path / "file").write_bytes(b"bad \xe2\x80\n")
    assert list(lines(tmp_path / "file", "replace")) == [(1, "bad \ufffd")]


def test_cut_gzip_data_is_an_error(tmp_path):
    """A truncated archive does not pass for a short file."""
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"line\n" * 10_000)[:-20])
    with pytest.raises(MalformedFile, match=r"file\.gz: damaged gzip data"):
        list(lines(path))


def test_bad_json_names_file_and_line(tmp_path):
    """The line is where the parser stopped."""
    path = tmp_path / "file.json"
    path.write_text('{"a":\n  1,,\n}')
    with pytest.raises(MalformedFile, match=r"file\.json:2: not JSON"):
        json_value(path)


def test_a_key_that_is_given_twice_is_an_error_with_file_and_line(tmp_path):
    """In one line of many, and inside of an object."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id": 2, "answer": {"text": "a", "text": "b"}}\n')
    with pytest.raises(MalformedFile, match=r"a\.jsonl:2: not JSON: the key 'text' is given twice"):
        list(json_lines(path))


def test_a_json_line_that_is_no_object_is_an_error(tmp_path):
    """Rows are objects."""
    path = tmp_path / "file.jsonl"
    path.write_text('{"a": 1}\n\n[1]\n')
    with pytest.raises(MalformedFile, match=r"file\.jsonl:3: expected a JSON object, found list"):
        list(json_lines(path))


@pytest.mark.parametrize("depth", [100_000])
def test_absurdly_nested_json_is_an_error_and_no_crash(tmp_path, depth):
    """Input from the net must not end the process."""
    path = tmp_path / "file.json"
    path.write_text("[" * depth)
    with pytest.raises(MalformedFile, match="not JSON"):
        json_value(path)
