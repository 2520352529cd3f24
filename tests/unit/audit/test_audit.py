"""The audit of a folder that nobody touched, and what an audit needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xstilts.audit.audit import audit
from xstilts.audit.results import ResultsCheck
from xstilts.audit.verdict import Verdict
from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.grid.keys import ExamplesKey
from xstilts.status.states import States

SOURCE = Path(__file__).parents[3] / "src"


def test_all_of_an_untouched_folder_is_verified(grid):
    """Weights included, in one process as in two; the hash is the one that the table is of."""
    told = []
    alone = audit(
        grid.paths.results,
        resources=grid.paths.resources,
        weights=True,
        progress=lambda done, of: told.append((done, of)),
    )
    assert alone.counts == {Verdict.VERIFIED: 12}
    assert (alone.findings, alone.verdict) == ({}, Verdict.VERIFIED)
    assert alone.grid == States(grid).scores_digest
    assert told[-1][0] == told[-1][1] == len(told)
    together = audit(grid.paths.results, resources=grid.paths.resources, processes=2)
    assert (together.scores, together.grid) == (alone.scores, alone.grid)


def test_a_folder_that_was_moved_is_audited_where_it_lies(grid, tmp_path, monkeypatch):
    """The study names folders that are not there any more."""
    moved = tmp_path / "moved"
    shutil.move(grid.paths.results.parents[1], moved)
    monkeypatch.chdir(tmp_path)
    report = audit(moved / "results/small", resources=moved / "resources", cards=moved / "config")
    assert report.verdict == Verdict.VERIFIED


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(LineageError, match="holds no snapshot of a study"):
        audit(tmp_path)


def test_it_needs_neither_torch_nor_snakemake(grid):
    """A reviewer installs neither; where they cannot be imported, all is verified the same."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'snakemake', 'transformers'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from xstilts.cli.main import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    folders = [str(grid.paths.results), "--resources", str(grid.paths.resources)]
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", *folders, "--processes", "1"],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "12 of 12 scores verified" in done.stdout


class TestWhatIsMissing:
    """An incomplete folder is not a forged one."""

    def test_a_study_whose_claims_nobody_asked_for_is_complete(self, grid):
        """A plain run writes none."""
        for path in (grid.paths.claims, grid.paths.claims_table, grid.claims.stamp):
            path.unlink()
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert (report.findings, report.verdict) == ({}, Verdict.VERIFIED)

    @pytest.fixture(autouse=True)
    def _scores_alone(self, monkeypatch):
        monkeypatch.setattr(ResultsCheck, "run", lambda self: [])

    def test_weights_are_asked_for_only_where_they_are_hashed(self, grid):
        """Archives of results hold none."""
        for path in grid.paths.resources.rglob("*.safetensors"):
            path.unlink()
        folders = {"results": grid.paths.results, "resources": grid.paths.resources}
        assert audit(**folders).verdict == Verdict.VERIFIED
        assert audit(**folders, weights=True).verdict == Verdict.UNVERIFIABLE

    def test_a_missing_raw_file_is_named(self, grid):
        """Also where the table of downloads has its checksum: the examples cannot be read again."""
        path = next((grid.paths.resources / "raw/xqa").glob("*.sw.jsonl"))
        path.unlink()
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert {finding.place for finding in report.findings} == {str(path)}
        unverified = {s.key.language for s in report.scores if s.verdict != Verdict.VERIFIED}
        assert unverified == {"sw"}

    def test_a_missing_score_is_named(self, grid):
        path = grid.paths.scores(grid.reads.evaluations()[0])
        language = sorted(scores.read(path))[0]
        scores.invalidate(path, [language])
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert report.counts == {Verdict.VERIFIED: 11, Verdict.UNVERIFIABLE: 1}
        (finding,) = report.findings
        assert finding.place == f"{path}: {language}"

    def test_missing_examples_are_named(self, grid):
        stamp = grid.examples_stamp(ExamplesKey("xnli", "test", "en"))
        stamp.with_suffix(".parquet").unlink()
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert report.counts[Verdict.UNVERIFIABLE] == 2
        assert str(stamp.with_suffix(".parquet")) in {f.place for f in report.findings}


class TestOtherCode:
    """A newer library, or another environment, cannot say how a score was computed."""

    @pytest.fixture(autouse=True)
    def _scores_alone(self, monkeypatch):
        monkeypatch.setattr(ResultsCheck, "run", lambda self: [])

    def test_other_code_makes_what_it_computed_unverifiable(self, grid, monkeypatch):
        """With the modules at whose code it differs, and what to do."""
        from xstilts.audit import lineage

        code_of = lineage.code_of
        edited = "xstilts.tasks.span_qa.scoring"
        monkeypatch.setattr(
            lineage,
            "code_of",
            lambda modules: {k: v + "!" * (k == edited) for k, v in code_of(modules).items()},
        )
        report = audit(grid.paths.results, resources=grid.paths.resources)
        assert report.verdict == Verdict.UNVERIFIABLE
        other = {s.key.target for s in report.scores if s.verdict == Verdict.UNVERIFIABLE}
        assert other == {"xqa"}
        assert any("audit with the commit" in finding.problem for finding in report.findings)

    def test_another_lock_file_is_named(self, grid):
        folder = grid.paths.results.parents[1]
        (folder / "envs/lock.txt").write_text("torch==9.9.9\n")
        report = audit(grid.paths.results, cards=folder / "config")
        assert report.counts == {Verdict.UNVERIFIABLE: 12}
        assert [finding.place for finding in report.findings] == ["envs/lock.txt"]

    def test_raw_files_are_compared_with_the_table_of_downloads(self, grid):
        """Stamps and files may be forged together; the project's table says what was published."""
        folder = grid.paths.results.parents[1]
        table = folder / "config/downloads.tsv"
        lines = table.read_text().splitlines()
        table.write_text(
            "".join(f"{_other_checksum(line, 'xqa/test.sw.jsonl')}\n" for line in lines)
        )
        report = audit(grid.paths.results, cards=folder / "config")
        assert report.counts[Verdict.ALTERED] == 2
        assert any("than downloads.tsv lists" in f.problem for f in report.findings)


def _other_checksum(line: str, name: str) -> str:
    path, sha256, size = line.split("\t")
    return "\t".join([path, "0" * 64 if path == name else sha256, size])
