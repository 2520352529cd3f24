"""Scores are computed again from the raw files: honest ones are confirmed, invented ones found."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.audited import copy_of, empty_world
from support.computed import computed_grid
from xstilts.audit.reexecution import Outcome, draw
from xstilts.audit.results import ResultsCheck
from xstilts.audit.verdict import Verdict
from xstilts.cli.main import main
from xstilts.config.resolve import ScoreKey
from xstilts.data import examples as examples_files
from xstilts.errors import LineageError
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.grid.keys import EvaluationKey, ExamplesKey
from xstilts.grid.snapshot import latest_snapshot
from xstilts.tasks.scoring import load_scoring
from xstilts.workflow import reexecution
from xstilts.workflow.reexecution import by_evaluation, reexecute

KEY = EvaluationKey("tiny", "nli", 1, "xnli")
SCORE = ScoreKey(*KEY, "sw")


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """The folder of a study that was computed; not to be changed."""
    folder = tmp_path_factory.mktemp("computed") / "project"
    computed_grid(empty_world(folder))
    return folder


@pytest.fixture
def grid(computed, tmp_path):
    """The grid of a copy of the study."""
    return copy_of(computed, tmp_path / "copy")


def again(grid, *drawn):
    """What comes of computing scores again."""
    return reexecute(latest_snapshot(grid.paths.results), grid, drawn)


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def forge(grid, score):
    """Invent a prediction: metrics, predictions, digests and archive all agree with one another."""
    path, language = grid.paths.scores(EvaluationKey(*KEY)), score.language
    lines = scores.read(path)
    rows = scores.predictions(path, lines[language]).to_pylist()
    wrong = next(row for row in rows if row["prediction"] != row["gold"])
    wrong["prediction"] = wrong["gold"]
    file = path.with_name("forged.parquet")
    pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd")
    stamp = grid.examples_stamp(ExamplesKey(score.target, "test", language))
    gold = examples_files.read(stamp.with_suffix(".parquet"))
    scoring = load_scoring("classification")
    n, metrics = scoring.score(gold, rows, "accuracy", language)
    lines[language] |= {
        "n": n,
        "metrics": metrics,
        "warnings": scoring.warnings(rows),
        "predictions": described(file),
    }
    scores.write(path, lines, {language: file})
    file.unlink()
    return metrics["accuracy"]


def test_honest_scores_are_confirmed_bit_by_bit(grid):
    """Of every task type, in some languages only; nothing of the study is touched."""
    before = files_of(grid.paths.results.parents[1])
    drawn, of = draw(grid, 5, draw_seed=3)
    found = again(grid, *drawn)
    assert of == 12
    assert [score.key for score in found] == drawn
    assert {(score.outcome, score.machine) for score in found} == {(Outcome.IDENTICAL, ())}
    assert files_of(grid.paths.results.parents[1]) == before


def test_a_consistent_forgery_is_named(grid):
    """Only that score; the finding gives both values and the number of predictions."""
    true = scores.read(grid.paths.scores(KEY))["sw"]["metrics"]["accuracy"]
    claimed = forge(grid, SCORE)
    honest, forged = again(grid, ScoreKey(*KEY, "en"), SCORE)
    assert (honest.outcome, forged.outcome) == (Outcome.IDENTICAL, Outcome.DIFFERENT)
    assert forged.differing == 1
    assert forged.finding.verdict == Verdict.ALTERED
    assert f"accuracy is {claimed}, not {true}" in forged.finding.problem
    assert forged.finding.place == f"{grid.paths.scores(KEY)}: sw"


def test_weights_that_no_training_gave_are_named(grid):
    """The stamp that the score names is not the one that the raw files lead to."""
    path = grid.paths.scores(KEY)
    lines = scores.read(path)
    lines["sw"]["inputs"]["checkpoint"] = "0" * 64
    scores.write(path, lines, {})
    (found,) = again(grid, SCORE)
    assert found.differing == 0
    assert "its checkpoint is not the one that the raw files give" in found.finding.problem


def test_only_ancestors_are_computed_and_shared_ones_once(grid, monkeypatch):
    """Two targets of two recipes share the intermediate stage."""
    from xstilts.training import train

    trained = []
    run = train.run
    monkeypatch.setattr(train, "run", lambda job: (trained.append(job.stamp.parent), run(job)))
    drawn = [ScoreKey("tiny", "nli", 1, target, "sw") for target in ("xnli", "xqa")]
    found = again(grid, *drawn)
    assert [score.outcome for score in found] == [Outcome.IDENTICAL] * 2
    assert len(trained) == len({folder.name for folder in trained}) == 3


def test_a_missing_raw_file_leaves_other_scores(grid):
    """It says which file, and where it was looked for."""
    next((grid.paths.resources / "raw/xqa").glob("*.sw.jsonl")).unlink()
    found = again(grid, ScoreKey("tiny", "none", 1, "xqa", "sw"), ScoreKey(*KEY, "en"))
    assert [score.outcome for score in found] == [Outcome.NOT_COMPUTED, Outcome.IDENTICAL]
    assert found[0].finding.verdict == Verdict.UNVERIFIABLE
    assert "resources/raw/xqa/test.sw.jsonl: every source failed" in found[0].problem


def test_an_altered_raw_file_is_not_computed_from(grid):
    """The checksum of its first download is kept beside it."""
    path = grid.paths.resources / "raw/xnli/test.sw.jsonl"
    path.write_text(path.read_text().replace('"yes"', '"no"'))
    (found,) = again(grid, SCORE)
    assert found.outcome == Outcome.NOT_COMPUTED
    assert "expected sha256" in found.problem


def test_other_code_is_refused_before_any_work(grid, monkeypatch):
    """What another library computes says nothing about these scores."""
    code_of = reexecution.code_of
    monkeypatch.setattr(reexecution, "code_of", lambda m: code_of(m) | {"xstilts.new": "0"})
    with pytest.raises(LineageError, match="is not the code that computed them"):
        again(grid, SCORE)


def test_another_machine_is_named(grid):
    """Its name stands in the run records; equal bits are identical wherever they come from."""
    path = scores.run_record(grid.paths.scores(KEY))
    record = json.loads(path.read_text()) | {"device_name": "ABACUS"}
    path.write_text(json.dumps(record))
    (found,) = again(grid, SCORE)
    assert found.outcome == Outcome.IDENTICAL
    assert [line.partition(",")[0] for line in found.machine] == ["device_name ABACUS"]


def test_a_record_of_a_later_evaluation_says_nothing_of_a_language(grid):
    """The score file was extended by a language on another day."""
    path = scores.run_record(grid.paths.scores(KEY))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds_by_language": {"en": 1}}))
    (found,) = again(grid, SCORE)
    assert found.machine == ("no record of its run",)


def test_languages_of_an_evaluation_are_computed_together():
    """The checkpoint is loaded once."""
    other = ScoreKey("tiny", "none", 1, "xnli", "sw")
    assert by_evaluation([ScoreKey(*KEY, "en"), other, SCORE])[KEY] == ["en", "sw"]


class TestCommand:
    """``xstilts audit RESULTS --reexecute K``."""

    @pytest.fixture(autouse=True)
    def _scores_alone(self, monkeypatch):
        """Table and report, which this study has not, are not looked for."""
        monkeypatch.setattr(ResultsCheck, "run", lambda self: [])

    def audit(self, grid, *options):
        return main(["audit", str(grid.paths.results), "--processes", "1", *options])

    def test_the_draw_can_be_repeated(self, grid, tmp_path, capsys):
        """JSON and page name its seed and every score."""
        places = []
        for name in ("first", "second"):
            files = [str(tmp_path / f"{name}.{kind}") for kind in ("json", "html")]
            options = ["--reexecute", "1", "--draw-seed", "7"]
            self.audit(grid, *options, "--json", files[0], "--html", files[1])
            assert "computed again: " in capsys.readouterr().out
            found = json.loads((tmp_path / f"{name}.json").read_text())["reexecution"]
            assert (found["draw_seed"], found["drawn_from"]) == (7, 12)
            places.append([(s["target"], s["language"], s["outcome"]) for s in found["scores"]])
            assert "drawn by the seed 7" in (tmp_path / f"{name}.html").read_text()
        assert places[0] == places[1]

    def test_a_forgery_that_only_this_finds_ends_with_status_1(self, grid, capsys):
        """The plain audit of its scores sees nothing wrong."""
        forge(grid, SCORE)
        assert self.audit(grid) != 1
        assert self.audit(grid, "--reexecute", "12") == 1
        assert "altered (1 scores)" in capsys.readouterr().out

    @pytest.mark.parametrize("options", [["--reexecute", "0"], ["--draw-seed", "1"]])
    def test_options_without_sense_are_refused(self, options, grid):
        assert self.audit(grid, *options) == 2
