"""Score files: a line a score, its predictions in the archive beside it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.provenance.digests import canonical

if TYPE_CHECKING:
    from pathlib import Path


def result(folder: Path, language: str, rows: int = 3) -> tuple[scores.Score, Path]:
    """A score and the file of its predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / scores.member_name(language)
    pq.write_table(pa.table({"id": [f"{language}{i}" for i in range(rows)]}), file)
    content = file.read_bytes()
    about = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    score = {"version": scores.VERSION, "language": language, "metrics": {}, "predictions": about}
    return score, file


def written(path: Path, *languages: str, rows: int = 3) -> Path:
    """A file with scores of these languages."""
    made = {x: result(path.parent / "made", x, rows) for x in languages}
    scores.write(path, {x: m[0] for x, m in made.items()}, {x: m[1] for x, m in made.items()})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "scores/xnli.jsonl", "de", "en", "sw")


def test_what_was_written_is_read(path):
    """Scores by language, and the predictions of each."""
    assert list(scores.read(path)) == ["de", "en", "sw"]
    assert scores.predictions(path, scores.read(path)["sw"])["id"].to_pylist() == [
        "sw0",
        "sw1",
        "sw2",
    ]


def test_two_files_and_no_more(path):
    """Whatever the number of languages."""
    there = [p.name for p in path.parent.iterdir() if p.name != "made"]
    assert sorted(there) == ["xnli.jsonl", "xnli.zip"]


def test_the_order_of_languages_decides_nothing(path, tmp_path):
    """The same scores give the same bytes."""
    other = written(tmp_path / "other/xnli.jsonl", "sw", "en", "de")
    assert other.read_bytes() == path.read_bytes()
    assert scores.archive(other).read_bytes() == scores.archive(path).read_bytes()


def test_a_missing_file_has_no_scores(tmp_path):
    """Which is how every evaluation begins."""
    assert scores.read(tmp_path / "xnli.jsonl") == {}


@given(st.integers(min_value=0, max_value=10**6))
def test_truncated_anywhere_it_loses_only_what_was_cut(tmp_path_factory, cut):
    """Whole lines before the cut are scores, and no half line is one."""
    path = written(tmp_path_factory.mktemp("cut") / "xnli.jsonl", "de", "en", "sw")
    content = path.read_bytes()
    cut = min(cut, len(content))
    path.write_bytes(content[:cut])
    lines = [len(line) for line in content.splitlines()]
    whole = sum(1 for i in range(3) if sum(lines[: i + 1]) + i <= cut)
    assert list(scores.read(path)) == ["de", "en", "sw"][:whole]


@given(st.dictionaries(st.sampled_from(["de", "en", "pt-br", "quy"]), st.integers(0, 400)))
def test_the_size_of_an_archive_is_known_from_its_scores(tmp_path_factory, rows):
    """So that a truncated one is seen without opening it."""
    folder = tmp_path_factory.mktemp("size")
    made = {x: result(folder / "made", x, n) for x, n in rows.items()}
    path = folder / "xnli.jsonl"
    scores.write(path, {x: m[0] for x, m in made.items()}, {x: m[1] for x, m in made.items()})
    assert scores.archive(path).stat().st_size == scores.archive_size(scores.read(path).values())


def test_predictions_that_are_not_the_recorded_ones_are_refused(path):
    """The error names the archive and the member."""
    archive = scores.archive(path)
    archive.write_bytes(archive.read_bytes().replace(b"sw1", b"sw7"))
    assert scores.verified_languages(path, scores.read(path).values()) == {"de", "en"}
    with pytest.raises(LineageError, match=r"xnli\.zip: sw\.parquet does not hold the pred"):
        scores.predictions(path, scores.read(path)["sw"])
    archive.write_bytes(archive.read_bytes()[:100])
    assert scores.verified_languages(path, scores.read(path).values()) == set()


class TestInvalidate:
    """`xstilts invalidate`: the user's way to have a score computed again."""

    def test_it_deletes_line_and_predictions(self, path, tmp_path):
        """The others keep their bytes."""
        scores.invalidate(path, ["sw", "de"])
        alone = written(tmp_path / "alone/xnli.jsonl", "en")
        assert path.read_bytes() == alone.read_bytes()
        assert scores.archive(path).read_bytes() == scores.archive(alone).read_bytes()

    def test_deleting_all_leaves_no_file(self, path):
        """As if nothing had been computed."""
        scores.invalidate(path, ["sw", "de", "en"])
        assert not path.exists()
        assert not scores.archive(path).exists()

    def test_a_score_whose_predictions_are_damaged_is_deleted_as_well(self, path):
        """It would have to be computed again in any case."""
        archive = scores.archive(path)
        archive.write_bytes(archive.read_bytes().replace(b"sw1", b"sw7"))
        scores.invalidate(path, ["de"])
        assert list(scores.read(path)) == ["en"]

    def test_a_language_without_a_score_is_named(self, path):
        """And nothing is deleted."""
        before = path.read_bytes()
        with pytest.raises(LineageError, match="of yo; it has de, en, sw"):
            scores.invalidate(path, ["sw", "yo"])
        assert path.read_bytes() == before


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_kept_keeps_its_bytes(value):
    """Read and written again a line is the same: no digit of a metric and no letter is lost."""
    line = canonical({"version": scores.VERSION, "language": "sw", "metrics": value}).encode()
    assert canonical(scores.read_line(line)).encode() == line


@pytest.mark.parametrize(
    "cut",
    [
        '"n":5',
        '"n":5}',
        "[1]",
        '{"version":3,"language":7}',
        '{"version":2,"language":"sw"}',
        "",
        "\x00",
    ],
)
def test_what_is_no_whole_score_is_none(cut):
    assert scores.read_line(cut.encode()) is None


def test_a_line_is_a_whole_score(path):
    """Any tool for JSON lines reads a file, or all files one after the other."""
    assert [json.loads(line)["language"] for line in path.read_text().splitlines()] == [
        "de",
        "en",
        "sw",
    ]
