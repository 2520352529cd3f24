"""The real library `datasets` against a local server that stands for the Hub."""

from __future__ import annotations

import io

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from support.website import COMMIT, LATER, hub, site
from xstilts.config.raw_file import HubDataset, RawFile
from xstilts.data.hub_datasets import first_rows, rows, split_names
from xstilts.data.sources import fetch
from xstilts.errors import ChecksumMismatch, MissingFile, SourceUnavailable
from xstilts.provenance.digests import file_sha256

__all__ = ["hub", "site"]

README = b"""---
configs:
- config_name: en
  data_files: [{split: train, path: en/train.csv}]
- config_name: sw
  data_files: [{split: validation, path: sw/dev.csv}, {split: test, path: sw/test.csv}]
---
"""
FILES = {
    "README.md": README,
    "en/train.csv": b"text,label\nhello,a\nbye,b\nwell,a\n",
    "sw/dev.csv": b"text,label\nndiyo,b\n",
    "sw/test.csv": b"text,label\njambo,a\n",
}
TRAIN = [{"text": "hello", "label": "a"}, {"text": "bye", "label": "b"}]


@pytest.fixture
def repository(hub):
    """A data set o/r with two configurations at one commit."""
    hub.publish("datasets/o/r", COMMIT, FILES)
    return hub


def source(**changes):
    given = {"repo": "o/r", "revision": COMMIT, "config": "en", "split": "train"}
    return HubDataset(**(given | changes))


def parquet(table: Dataset) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


class TestRows:
    def test_a_configuration_and_a_split_are_read(self, repository):
        assert list(rows(source())) == [*TRAIN, {"text": "well", "label": "a"}]
        assert list(rows(source(config="sw", split="test"))) == [{"text": "jambo", "label": "a"}]

    def test_files_are_chosen_by_a_pattern(self, repository):
        chosen = source(config=None, data_files="sw/*.csv")
        assert [row["text"] for row in rows(chosen)] == ["ndiyo", "jambo"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.jsonl", b'{"text":"hello","label":"a"}\n{"text":"bye","label":"b"}\n'),
            ("a.json", b'[{"text":"hello","label":"a"},{"text":"bye","label":"b"}]'),
            ("a.csv", b"text,label\nhello,a\nbye,b\n"),
            ("a.parquet", parquet(Dataset.from_list(TRAIN))),
        ],
    )
    def test_every_form_gives_the_same_rows(self, hub, name, content):
        hub.publish("datasets/o/r", COMMIT, {name: content})
        assert list(rows(source(config=None))) == TRAIN

    def test_class_labels_have_their_names_also_in_lists(self, hub):
        label = ClassLabel(names=["no", "yes"])
        features = Features({"one": label, "many": List(label), "n": Value("int32")})
        table = Dataset.from_list([{"one": -1, "many": [1, 0], "n": 7}], features=features)
        hub.publish("datasets/o/r", COMMIT, {"train.parquet": parquet(table)})
        assert list(rows(source(config=None))) == [{"one": None, "many": ["yes", "no"], "n": 7}]

    def test_a_column_without_text_is_named_and_can_be_left_out(self, hub):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"text": ["a"], "sound": [b"\x00"]}), buffer)
        hub.publish("datasets/o/r", COMMIT, {"train.parquet": buffer.getvalue()})
        with pytest.raises(SourceUnavailable, match=r"the column 'sound' holds bytes.*`columns`"):
            list(rows(source(config=None)))
        assert list(rows(source(config=None, columns=["text"]))) == [{"text": "a"}]

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"config": None}, "Config name is missing.*'en', 'sw'"),
            ({"config": "fr"}, "'fr' not found. Available: .*'en', 'sw'"),
            ({"split": "dev"}, "Unknown split \"dev\". Should be one of .'train'"),
            ({"repo": "o/s"}, "'o/s' doesn't exist on the Hub or cannot be accessed"),
        ],
    )
    def test_what_is_not_there_is_named_in_one_line(self, repository, changes, problem):
        with pytest.raises(SourceUnavailable, match=problem) as error:
            list(rows(source(**changes)))
        assert "\n" not in str(error.value)

    def test_a_data_set_with_a_script_is_refused(self, repository):
        repository.publish("datasets/o/r", COMMIT, FILES | {"r.py": b"raise SystemExit"})
        with pytest.raises(SourceUnavailable, match="Dataset scripts are no longer supported"):
            list(rows(source()))


class TestOffline:
    @pytest.fixture
    def offline(self, repository, monkeypatch):
        """Go offline after one commit was read."""
        list(rows(source()))
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        repository.requests.clear()
        return repository

    def test_the_cache_is_enough(self, offline):
        assert len(list(rows(source()))) == 3
        assert offline.requests == []

    def test_another_commit_in_the_cache_is_not_taken_for_the_pinned_one(self, offline):
        with pytest.raises(
            SourceUnavailable, match=f"cache of datasets holds the revision {COMMIT}"
        ):
            list(rows(source(revision=LATER)))


class TestLooking:
    def test_the_first_rows_are_streamed(self, repository):
        assert first_rows(source(), 2) == TRAIN

    def test_the_splits_of_each_configuration_are_listed(self, repository):
        found = split_names("o/r", COMMIT)
        assert found == {"en": ["train"], "sw": ["validation", "test"]}


class TestFetch:
    def fetch(self, tmp_path, **changes):
        file = RawFile(path="r/en.jsonl", dataset=source(**changes))
        return fetch(file, resources=tmp_path / "resources", mirror=None, checksums={})

    def test_rows_become_json_lines_whose_checksum_and_origin_are_recorded(
        self, repository, tmp_path
    ):
        path = self.fetch(tmp_path)
        assert path.read_text().splitlines()[0] == '{"label":"a","text":"hello"}'
        line = (path.parents[1] / "lock.tsv").read_text().splitlines()[1].split("\t")
        assert line == [
            "r/en.jsonl",
            file_sha256(path),
            str(path.stat().st_size),
            f"dataset o/r@{COMMIT}/en/train",
        ]

    def test_other_rows_than_the_recorded_ones_are_refused(self, repository, tmp_path):
        self.fetch(tmp_path).unlink()
        repository.publish("datasets/o/r", LATER, FILES | {"en/train.csv": b"text,label\nho,a\n"})
        with pytest.raises(ChecksumMismatch, match=r"xstilts forget r/en\.jsonl"):
            self.fetch(tmp_path, revision=LATER)

    def test_a_failure_is_one_of_the_sources_failures(self, repository, tmp_path):
        with pytest.raises(MissingFile, match=f"dataset: o/r@{COMMIT}/en/dev: ValueError"):
            self.fetch(tmp_path, split="dev")


def test_a_branch_is_no_revision_to_pin():
    with pytest.raises(ValueError, match="'main' is not a commit"):
        source(revision="main")


def test_the_library_shows_no_progress_bars_of_its_own(repository):
    list(rows(source()))
    assert datasets.utils.are_progress_bars_disabled()
