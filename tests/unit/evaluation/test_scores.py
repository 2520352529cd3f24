"""Score files: a line a score, its predictions in the archive beside it."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described, directory, member_name
from xstilts.evaluation.score_line import EDITED, TWICE, VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from xstilts.evaluation.score_line import Score


def result(folder: Path, language: str, rows: int = 3) -> tuple[Score, Path]:
    """A score and the file of its predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / member_name(language)
    pq.write_table(pa.table({"id": [f"{language}{i}" for i in range(rows)]}), file)
    about = described(file)
    score = {"version": VERSION, "language": language, "metrics": {}, "predictions": about}
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
def test_the_directory_of_an_archive_tells_what_it_stores(tmp_path_factory, rows):
    """So that a truncated archive, or one with other predictions, is seen without reading these."""
    folder = tmp_path_factory.mktemp("directory")
    made = {x: result(folder / "made", x, n) for x, n in rows.items()}
    path = folder / "xnli.jsonl"
    scores.write(path, {x: m[0] for x, m in made.items()}, {x: m[1] for x, m in made.items()})
    whole = scores.read(path).values()
    assert scores.stored_languages(path, whole) == set(rows)
    content = scores.archive(path).read_bytes()
    for cut in (content[:-1], content[1:], content[: len(content) // 2], b""):
        scores.archive(path).write_bytes(cut)
        assert scores.stored_languages(path, whole) == set()


def test_swapped_predictions_are_seen_without_reading_them(path):
    """Two languages have each other's; the third has its own."""
    with zipfile.ZipFile(scores.archive(path)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    swapped = {"de.parquet": "sw.parquet", "sw.parquet": "de.parquet"}
    with zipfile.ZipFile(scores.archive(path), "w") as new:
        for name, content in members.items():
            new.writestr(swapped.get(name, name), content)
    assert scores.stored_languages(path, scores.read(path).values()) == {"en"}


def test_an_archive_of_more_members_than_a_zip_counts_is_read(tmp_path):
    """The end of its directory has no room for the number."""
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as whole:
        for number in range(2**16):
            whole.writestr(str(number), b"")
    assert len(directory(path)) == 2**16


def test_an_edited_line_is_no_score_but_a_fault(path):
    """The other lines stay scores."""
    path.write_bytes(path.read_bytes().replace(b'"bytes":', b'"bytes":1', 1))
    content = scores.load(path)
    assert (list(content.scores), content.faults) == (["en", "sw"], {"de": EDITED})
    assert scores.read(path) == content.scores


@pytest.mark.parametrize("order", [[0, 0, 1, 2], [1, 0, 2, 0], [0, 1, 0, 2, 0]])
def test_two_lines_of_a_language_are_a_fault(path, order):
    """Also if they are the same: nothing says which was computed last."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))
    content = scores.load(path)
    assert (set(content.scores), content.faults) == ({"en", "sw"}, {"de": TWICE})


def test_predictions_that_are_not_the_recorded_ones_are_refused(path):
    """The error names the score."""
    archive = scores.archive(path)
    archive.write_bytes(archive.read_bytes().replace(b"sw1", b"sw7"))
    assert scores.verified_languages(path, scores.read(path).values()) == {"de", "en"}
    with pytest.raises(LineageError, match=r"xnli\.jsonl: sw: its predictions are not those"):
        scores.predictions(path, scores.read(path)["sw"])
    assert scores.stored_languages(path, scores.read(path).values()) == {"de", "en", "sw"}
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

    def test_it_deletes_a_line_that_was_edited(self, path):
        """Which is what its error asks for."""
        path.write_bytes(path.read_bytes().replace(b'"bytes":', b'"bytes":1', 1))
        scores.invalidate(path, ["de"])
        assert (list(scores.read(path)), scores.load(path).faults) == (["en", "sw"], {})

    def test_a_language_without_a_score_is_named(self, path):
        """And nothing is deleted."""
        before = path.read_bytes()
        with pytest.raises(LineageError, match="of yo; it has de, en, sw"):
            scores.invalidate(path, ["sw", "yo"])
        assert path.read_bytes() == before


def test_a_line_is_a_whole_score(path):
    """Any tool for JSON lines reads a file, or all files one after the other."""
    assert [json.loads(line)["language"] for line in path.read_text().splitlines()] == [
        "de",
        "en",
        "sw",
    ]
