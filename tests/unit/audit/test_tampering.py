"""Whatever is changed in a results folder is found, and named: hundreds of places, drawn anew."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from support import tampering
from xstilts.audit.audit import audit
from xstilts.audit.results import ResultsCheck, compare
from xstilts.audit.verdict import Verdict, altered
from xstilts.data import contamination
from xstilts.data.contamination import Overlap
from xstilts.errors import LineageError
from xstilts.grid.keys import ExamplesKey
from xstilts.grid.snapshot import latest_snapshot
from xstilts.provenance.digests import digest, file_sha256
from xstilts.provenance.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

PLACES = 8
ALTERED = [
    tampering.byte_of_a_prediction,
    tampering.digit_of_a_metric,
    tampering.metric_and_its_digest,
    tampering.predictions_of_two_languages,
    tampering.an_old_score,
    tampering.a_line_twice,
    tampering.weight,
    tampering.byte_of_a_raw_file,
    tampering.raw_files_of_two_languages,
    tampering.examples_of_two_languages,
    tampering.stamp_and_file,
    tampering.examples_and_all_that_follows,
    tampering.input_of_a_stamp,
]


class Restored:
    """All files of a folder, to put them back after a test has tampered with some."""

    def __init__(self, folder: Path) -> None:
        self._files = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def put_back(self) -> None:
        for path, content in self._files.items():
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)


@pytest.fixture
def scores_alone(monkeypatch):
    """Do not write the report again for each of hundreds of changes that cannot reach it."""
    monkeypatch.setattr(ResultsCheck, "run", lambda self: [])


@pytest.mark.usefixtures("scores_alone")
@pytest.mark.parametrize("tamper", ALTERED, ids=lambda tamper: tamper.__name__)
def test_what_was_altered_is_found_and_named(grid, tamper):
    """At random places, many times."""
    whole = Restored(grid.paths.results.parents[1])
    for number in range(PLACES):
        named = tamper(grid, random.Random(number))
        report = audit(grid.paths.results, weights=True, resources=grid.paths.resources)
        assert report.verdict == Verdict.ALTERED, number
        altered = [f for f in report.findings if f.verdict == Verdict.ALTERED]
        assert any(str(named) in f"{f.place} {f.problem}" for f in altered), (number, altered)
        whole.put_back()


@pytest.mark.usefixtures("scores_alone")
def test_a_deleted_stamp_is_named_and_what_follows_is_unverifiable(grid):
    """Nothing contradicts the records, but they are not complete."""
    whole = Restored(grid.paths.results.parents[1])
    for number in range(PLACES):
        named = tampering.a_deleted_stamp(grid, random.Random(number))
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert report.verdict == Verdict.UNVERIFIABLE
        assert str(named) in {finding.place for finding in report.findings}
        whole.put_back()


@pytest.mark.usefixtures("scores_alone")
def test_a_pipe_in_the_place_of_examples_is_not_waited_for(grid):
    """It has no bytes, as its forged stamp says."""
    stamp = grid.examples_stamp(ExamplesKey("xqa", "test", "sw"))
    record = json.loads(stamp.read_text())
    record["files"]["sw.parquet"]["bytes"] = 0
    write_json(stamp, record)
    parquet = stamp.with_suffix(".parquet")
    parquet.unlink()
    os.mkfifo(parquet)
    report = audit(grid.paths.results, resources=grid.paths.resources)
    assert report.verdict == Verdict.ALTERED
    assert str(parquet) in {finding.place for finding in report.findings}


@pytest.mark.usefixtures("scores_alone")
def test_an_overlap_that_nobody_found_is_named(grid):
    """Written into the table together with its stamp; the search is done again."""
    stamp = grid.contamination.stamp
    table = stamp.with_name("overlaps.tsv")
    table.write_text(f"{table.read_text()}nli\ten\txnli\ten\t1\t8\tTrue\tFalse\n")
    record = json.loads(stamp.read_text())
    record["files"]["overlaps.tsv"] = {
        "sha256": file_sha256(table),
        "bytes": table.stat().st_size,
    }
    write_json(stamp, record)
    (finding,) = audit(grid.paths.results, resources=grid.paths.resources).results
    assert finding == altered(table, "does not hold the overlaps that the examples have")


@pytest.mark.usefixtures("scores_alone")
def test_test_items_in_the_training_data_are_named(grid, monkeypatch):
    """A search that was forged to find nothing."""
    found = Overlap("nli", "en", "xqa", "sw", 8, 8, own=False, declared_apart=False)
    monkeypatch.setattr(contamination, "find", lambda training, targets: [found])
    (finding,) = audit(grid.paths.results, resources=grid.paths.resources).results
    assert finding.problem == "does not say that nli (en) holds 8 of 8 items of xqa (sw)"


def test_a_parameter_of_the_study_cannot_be_edited(grid):
    """The snapshot's name is the digest of its content."""
    path = latest_snapshot(grid.paths.results)
    whole = path.read_text()
    for number in range(100):
        content = json.loads(whole)
        _edit_somewhere(content["study"] if number % 2 else content["tasks"], random.Random(number))
        write_json(path, content)
        with pytest.raises(LineageError, match="was edited"):
            audit(grid.paths.results)


def _edit_somewhere(value: dict[str, object], chance: random.Random) -> None:
    key = chance.choice(sorted(value))
    inside = value[key]
    if isinstance(inside, dict) and inside:
        _edit_somewhere(inside, chance)
    else:
        value[key] = f"{inside} edited"


@pytest.mark.usefixtures("scores_alone")
@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [2]},
        {"training": {"all": {"epochs": 9.0}}},
        {"evaluation": {"max_examples": 3}},
        {"compute": {"threads": 3}},
        {"conditions": ["none"]},
    ],
)
def test_a_parameter_with_another_name_of_the_snapshot_fits_no_score(grid, change):
    """Every digest that derives from it is another; a score that fits has other inputs."""
    path = latest_snapshot(grid.paths.results)
    content = json.loads(path.read_text())
    content["study"] |= change
    forged = path.with_name(f"{digest(content)}.json")
    write_json(forged, content)
    path.with_name("latest").write_text(f"{forged.name}\n")
    report = audit(grid.paths.results, resources=grid.paths.resources)
    fits = {score.key for score in report.scores if score.verdict == Verdict.VERIFIED}
    untrained = {key for key in fits if (key.condition, key.target) == ("none", "mined")}
    assert fits == {
        "conditions": {key for key in fits if key.condition == "none"},
        "training": untrained,
    }.get(next(iter(change)), set())


class TestResults:
    """The files that people read, against the same files as they were just written."""

    def test_a_row_of_the_table(self, grid, finished):
        """Any number or word of it; the finding says which, and of which score."""
        again, path = finished / "results/small/grid.parquet", grid.paths.table
        rows = pd.read_parquet(again)
        for number in range(100):
            chance = random.Random(number)
            row, column = chance.randrange(len(rows)), chance.choice(list(rows))
            edited, old = rows.copy(), rows.at[row, column]
            edited.at[row, column] = f"{old}x" if isinstance(old, str) else 3
            edited.to_parquet(path)
            (finding,) = compare(path, again)
            assert finding.place == f"{path}: row {row + 1}"
            assert f"{column} is " in finding.problem
            assert f"/{rows.at[row, 'language']}: " in finding.problem or column == "language"

    @pytest.mark.parametrize("name", ["report.html", "gains.csv", "claims.json"])
    def test_a_letter_of_a_text(self, grid, finished, name):
        """The finding says in which line, and what stood there."""
        again, path = finished / "results/small" / name, grid.paths.results / name
        whole = again.read_bytes()
        for number in range(100 if whole.strip(b"[]\n") else 1):
            chance = random.Random(number)
            place = chance.randrange(len(whole))
            path.write_bytes(whole[:place] + b"~" + whole[place + 1 :])
            (finding,) = compare(path, again)
            assert finding.place == f"{path}: line {whole[:place].count(10) + 1}"
            assert "~" in finding.problem

    @pytest.mark.parametrize("name", ["report.html", "grid.parquet", ".stamps/report.json"])
    def test_a_whole_audit_finds_it(self, grid, name):
        """With the name of the file, or of the stamp that it contradicts."""
        path = grid.paths.results / name
        content = path.read_bytes()
        path.write_bytes(content[:-9] + b"~" + content[-8:])
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert report.counts == {Verdict.VERIFIED: 12}
        assert report.verdict == Verdict.ALTERED
        assert any(str(path) in finding.place for finding in report.findings)
