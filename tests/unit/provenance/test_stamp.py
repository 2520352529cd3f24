"""A stamp proves what an artefact is."""

from __future__ import annotations

import json
import os

import pytest

from xstilts.errors import LineageError
from xstilts.provenance.digests import file_sha256
from xstilts.provenance.stamp import StampReader, verify, write_stamp


def stamp_them(stamp, files):
    """Write a stamp of some files."""
    write_stamp(stamp, spec="abc", inputs={"encoder": "def"}, files=files, outcomes={"steps": 3})


class TestStamps:
    @pytest.fixture
    def stamped(self, tmp_path):
        """An artefact of two files and its stamp."""
        (tmp_path / "weights").write_bytes(b"0123456789")
        (tmp_path / "config").write_bytes(b"{}")
        files = [tmp_path / "weights", tmp_path / "config"]
        stamp = tmp_path / "stamp.json"
        stamp_them(stamp, files)
        return stamp

    def test_a_whole_artefact_is_verified(self, stamped):
        """The stamp says what it is, what it was made of, and its bytes."""
        stamp = verify(stamped)
        assert (stamp["spec"], stamp["inputs"], stamp["outcomes"]) == (
            "abc",
            {"encoder": "def"},
            {"steps": 3},
        )
        assert stamp["files"]["weights"] == {
            "bytes": 10,
            "sha256": "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882",
        }

    def test_the_same_artefact_has_the_same_stamp(self, stamped):
        """It holds no time and no host."""
        before = stamped.read_bytes()
        files = [stamped.parent / "config", stamped.parent / "weights"]
        stamp_them(stamped, files)
        assert stamped.read_bytes() == before

    @pytest.mark.parametrize("content", [b"012345678", b"0123456788", b""])
    def test_other_bytes_are_found_and_named(self, stamped, content):
        """Truncated, changed or emptied; the message says what to do."""
        (stamped.parent / "weights").write_bytes(content)
        with pytest.raises(LineageError) as refused:
            verify(stamped)
        message = str(refused.value)
        assert message.startswith(f"{stamped.parent / 'weights'}: its bytes are not the ones")
        assert message.endswith(f"delete {stamped} and run snakemake again")

    def test_no_note_beside_a_large_file_replaces_its_bytes(self, stamped):
        """Who can change weights can write a note about them as well, and set their times."""
        weights = stamped.parent / "weights"
        with weights.open("r+b") as stream:
            stream.truncate(40 * 2**20)
        stamp_them(stamped, [weights])
        verify(stamped)
        recorded, times = file_sha256(weights), weights.stat()
        with weights.open("r+b") as stream:
            stream.write(b"forged")
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
        now = weights.stat()
        seen = [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino]
        note = {"seen": seen, "sha256": recorded}
        weights.with_name(".weights.seen").write_text(json.dumps(note))
        with pytest.raises(LineageError, match="weights: its bytes are not the ones"):
            verify(stamped)

    def test_files_may_lie_beside_the_folder_of_stamps(self, stamped, tmp_path):
        """As the table and the report do."""
        stamp = tmp_path / ".stamps" / "table.json"
        stamp_them(stamp, [tmp_path / "weights"])
        assert list(verify(stamp)["files"]) == ["../weights"]
        assert StampReader().files(stamp).keys() == {stamp.parent / "../weights"}

    def test_a_missing_file_is_named(self, stamped):
        """The stamp alone proves nothing."""
        (stamped.parent / "weights").unlink()
        with pytest.raises(LineageError, match=r"weights: missing, though stamp\.json lists it"):
            verify(stamped)

    @pytest.mark.parametrize(
        "text",
        [
            "[]",
            "{}",
            "null",
            '{"files": []}',
            '{"files": {"model.safetensors": {}}}',
            "[" * 100_000,
            '{"a": NaN}',
            '{"a": "\\ud800"}',
        ],
        ids=lambda text: text[:40],
    )
    def test_a_stamp_that_is_none_is_named(self, stamped, text):
        """Valid JSON is not yet a stamp."""
        stamped.write_text(text)
        with pytest.raises(LineageError, match=r"stamp\.json: not a valid stamp"):
            verify(stamped)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("spec", None),
            ("spec", 3),
            ("inputs", {"encoder": ["a"]}),
            ("outcomes", []),
            ("files", {"weights": {"sha256": "0", "bytes": "10"}}),
            ("files", {"weights": {"sha256": "0"}}),
            ("files", {"weights": "0"}),
            ("files", {"../../weights": {"sha256": "0", "bytes": 10}}),
            ("files", {"/etc/passwd": {"sha256": "0", "bytes": 10}}),
            ("files", {"a\0b": {"sha256": "0", "bytes": 10}}),
            ("files", {"": {"sha256": "0", "bytes": 10}}),
        ],
    )
    def test_a_stamp_has_its_form_or_is_none(self, stamped, key, value):
        """Each part of its type; and it names files of its own folder only."""
        stamped.write_text(json.dumps(json.loads(stamped.read_text()) | {key: value}))
        with pytest.raises(LineageError, match=r"stamp\.json: not a valid stamp"):
            verify(stamped)
        assert StampReader().spec(stamped) is None

    def test_a_name_that_is_too_long_is_a_missing_file(self, stamped):
        about = {"a" * 300: {"sha256": "0", "bytes": 1}}
        stamped.write_text(json.dumps(json.loads(stamped.read_text()) | {"files": about}))
        with pytest.raises(LineageError, match=r"missing, though stamp\.json lists it"):
            verify(stamped)

    def test_a_pipe_is_not_waited_for(self, stamped):
        stamped.unlink()
        os.mkfifo(stamped)
        with pytest.raises(LineageError, match=r"stamp\.json: cannot be read \(not an ordinary"):
            verify(stamped)
        assert StampReader().of(stamped) is None


class TestStampReader:
    @pytest.fixture
    def stamp(self, tmp_path):
        """A stamp of one file."""
        (tmp_path / "weights").write_bytes(b"0123456789")
        stamp = tmp_path / "stamp.json"
        stamp_them(stamp, [tmp_path / "weights"])
        return stamp

    def test_it_gives_what_a_stamp_records(self, stamp):
        reader = StampReader()
        assert reader.spec(stamp) == "abc"
        assert reader.sha256(stamp) == file_sha256(stamp)
        assert reader.inputs(stamp) == {"encoder": "def"}
        assert reader.outcomes(stamp) == {"steps": 3}
        weights = stamp.parent / "weights"
        assert reader.files(stamp) == {weights: file_sha256(weights)}

    def test_it_sees_one_state_of_a_stamp(self, stamp):
        """Though the stamp is deleted while a command runs."""
        reader = StampReader()
        assert reader.spec(stamp) == "abc"
        stamp.unlink()
        assert reader.spec(stamp) == "abc"
        assert StampReader().spec(stamp) is None

    @pytest.mark.parametrize("content", [None, "{", "[]", '{"inputs": 1}'])
    def test_a_missing_or_damaged_stamp_records_nothing(self, content, tmp_path):
        path = tmp_path / "stamp.json"
        if content is not None:
            path.write_text(content)
        reader = StampReader()
        assert reader.spec(path) is None
        assert reader.inputs(path) == reader.outcomes(path) == reader.files(path) == {}
