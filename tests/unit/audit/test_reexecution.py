"""Scores that were computed again, against those of the study."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from xstilts.audit import show
from xstilts.audit.reexecution import (
    MetricDifference,
    Outcome,
    ReexecutedScore,
    Reexecution,
    compare,
    draw,
    machine_differences,
    tolerance,
    with_reexecution,
)
from xstilts.audit.verdict import AuditReport, ScoreVerdict, Verdict, unverifiable
from xstilts.config.resolve import ScoreKey
from xstilts.evaluation import scores
from xstilts.evaluation.archive import described
from xstilts.evaluation.score_line import VERSION

KEY = ScoreKey("tiny", "none", 1, "xnli", "en")
RECORD = {
    "device": "cpu",
    "device_name": "AVX512",
    "precision": "fp32",
    "packages": {"torch": "2.13.0", "pytest": "9.0", "nvidia-cublas": "13"},
}
ELSEWHERE = ["device_name AVX512, here AVX2"]


def score_file(folder, right, n=100, checkpoint="c", confidence=0.5, **more):
    """A score of n items, of which the first ``right`` are right."""
    folder.mkdir()
    rows = [
        {
            "id": str(i),
            "prediction": "a" if i < right else "b",
            "gold": "a",
            "score": confidence,
        }
        for i in range(n)
    ]
    file = folder / "en.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    line = {
        "version": VERSION,
        "language": "en",
        "inputs": {"checkpoint": checkpoint},
        "n": n,
        "metrics": {"accuracy": 100 * right / n},
        "counts": {},
        "warnings": [],
        "predictions": described(file),
    }
    path = folder / "xnli.jsonl"
    scores.write(path, {"en": line | more}, {"en": file})
    return path


class TestCompare:
    def test_equal_bits_are_identical(self, tmp_path):
        """Whatever the machine."""
        stored, again = score_file(tmp_path / "a", 90), score_file(tmp_path / "b", 90)
        for machine in ([], ELSEWHERE):
            found = compare(KEY, stored, again, machine)
            assert (found.outcome, found.finding, found.difference) == (Outcome.IDENTICAL, None, "")

    def test_on_the_same_kind_of_machine_nothing_may_differ(self, tmp_path):
        """One prediction of a hundred is too many."""
        found = compare(KEY, score_file(tmp_path / "a", 91), score_file(tmp_path / "b", 90), [])
        assert found.outcome == Outcome.DIFFERENT
        assert found.difference == "1 of 100 predictions differ; accuracy is 91.0, not 90.0"
        assert found.finding.verdict == Verdict.ALTERED

    def test_on_another_machine_a_few_predictions_may_differ(self, tmp_path):
        """The report says how many, and what was allowed."""
        stored, again = score_file(tmp_path / "a", 92), score_file(tmp_path / "b", 90)
        found = compare(KEY, stored, again, ELSEWHERE)
        assert (found.outcome, found.finding) == (Outcome.TOLERATED, None)
        assert (found.differing, found.n) == (2, 100)
        assert found.metrics == (MetricDifference("accuracy", 92.0, 90.0, tolerance(2, 100)),)

    @pytest.mark.parametrize(
        ("machine", "outcome"), [([], Outcome.DIFFERENT), (ELSEWHERE, Outcome.TOLERATED)]
    )
    def test_other_confidences_are_other_bits(self, machine, outcome, tmp_path):
        """Their answers are the same: elsewhere that is all that is asked."""
        stored = score_file(tmp_path / "a", 90)
        found = compare(KEY, stored, score_file(tmp_path / "b", 90, confidence=0.6), machine)
        assert (found.outcome, found.differing) == (outcome, 0)
        assert found.difference == "its predictions have the same answers and other bytes"

    def test_on_another_machine_a_better_score_needs_more_than_rounding(self, tmp_path):
        """Forty predictions that differ, all for the better, are no chance."""
        stored, again = score_file(tmp_path / "a", 90), score_file(tmp_path / "b", 50)
        found = compare(KEY, stored, again, ELSEWHERE)
        assert found.outcome == Outcome.DIFFERENT
        assert "more than another machine explains (device_name AVX512" in found.finding.problem

    @pytest.mark.parametrize("machine", [[], ELSEWHERE], ids=["same", "other"])
    def test_other_test_items_are_never_tolerated(self, machine, tmp_path):
        stored, again = score_file(tmp_path / "a", 90), score_file(tmp_path / "b", 90, n=101)
        found = compare(KEY, stored, again, machine)
        assert found.outcome == Outcome.DIFFERENT
        assert "n is 100, not 101" in found.difference

    def test_another_checkpoint_is_named_on_the_same_kind_of_machine(self, tmp_path):
        """Elsewhere its last bits may differ."""
        stored = score_file(tmp_path / "a", 90)
        again = score_file(tmp_path / "b", 90, checkpoint="other")
        assert "its checkpoint" in compare(KEY, stored, again, []).difference
        assert compare(KEY, stored, again, ELSEWHERE).outcome == Outcome.IDENTICAL

    def test_a_metric_that_only_one_side_has_is_never_tolerated(self, tmp_path):
        stored = score_file(tmp_path / "a", 90, metrics={"accuracy": 90.0, "f1": 99.0})
        again = score_file(tmp_path / "b", 90)
        assert compare(KEY, stored, again, ELSEWHERE).outcome == Outcome.DIFFERENT

    @pytest.mark.parametrize("change", [{"metrics": 7}, {"inputs": []}, {"metrics": {"f1": "x"}}])
    def test_a_crafted_line_is_a_finding(self, change, tmp_path):
        """It ends no audit."""
        stored = score_file(tmp_path / "a", 90, **change)
        found = compare(KEY, stored, score_file(tmp_path / "b", 90), [])
        assert found.finding is not None

    def test_predictions_that_are_gone_leave_nothing_to_compare(self, tmp_path):
        stored, again = score_file(tmp_path / "a", 90), score_file(tmp_path / "b", 90)
        scores.archive(stored).unlink()
        found = compare(KEY, stored, again, [])
        assert found.outcome == Outcome.NOT_COMPUTED
        assert found.finding.verdict == Verdict.UNVERIFIABLE


@given(st.integers(1, 10_000), st.data())
def test_the_tolerance_is_three_deviations_of_coins(n, data):
    """Predictions that change to better and to worse by chance rarely exceed it."""
    differing = data.draw(st.integers(0, n))
    sd = 100 * differing**0.5 / n
    assert 3 * sd < tolerance(differing, n) <= 3 * sd + 300 / n


class TestMachine:
    def test_equal_records_are_of_the_same_kind_of_machine(self):
        """Packages that compute nothing do not count."""
        other = RECORD | {"packages": RECORD["packages"] | {"pytest": "8.0"}}
        assert list(machine_differences(RECORD, other)) == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"device_name": "AVX2"}, "device_name AVX512, here AVX2"),
            ({"precision": "bf16"}, "precision fp32, here bf16"),
            (
                {"packages": RECORD["packages"] | {"torch": "2.14.0"}},
                "torch 2.13.0, here 2.14.0",
            ),
            (
                {"packages": RECORD["packages"] | {"nvidia-cublas": "12"}},
                "nvidia-cublas 13, here 12",
            ),
            ({"packages": 3}, "nvidia-cublas 13, here unknown"),
        ],
    )
    def test_a_difference_is_named(self, change, said):
        assert next(iter(machine_differences(RECORD, RECORD | change))) == said

    def test_without_a_record_the_kind_is_not_known(self):
        """So bits are not expected to agree."""
        assert list(machine_differences({}, RECORD)) == ["no record of its run"]


class TestDraw:
    def test_the_same_seed_draws_the_same_scores(self, grid):
        """Another one others."""
        drawn, of = draw(grid, 4, 1)
        assert of == 12
        assert len(set(drawn)) == 4
        assert draw(grid, 4, 1)[0] == drawn
        assert any(draw(grid, 4, seed)[0] != drawn for seed in range(2, 5))

    def test_only_scores_that_exist_are_drawn(self, grid):
        """More than there are: all."""
        path = grid.paths.scores(grid.reads.evaluations()[0])
        language = sorted(scores.read(path))[0]
        scores.invalidate(path, [language])
        drawn, of = draw(grid, 100, 1)
        assert (len(drawn), of) == (11, 11)

    def test_scores_of_other_code_are_not_drawn(self, grid):
        """This code cannot compute them."""
        path = grid.paths.scores(grid.reads.evaluations()[0])
        lines = scores.read(path)
        lines[sorted(lines)[0]]["spec"] = "0" * 64
        scores.write(path, lines, {})
        assert draw(grid, 100, 1)[1] == 11


class TestReport:
    LOST = unverifiable("a/stamp.json", "is missing")
    OTHER = ScoreKey("tiny", "none", 1, "xnli", "sw")

    @pytest.fixture
    def report(self):
        found = [
            ReexecutedScore(KEY, "xnli.jsonl: en", Outcome.IDENTICAL, n=100),
            ReexecutedScore(
                self.OTHER,
                "xnli.jsonl: sw",
                Outcome.DIFFERENT,
                n=100,
                differing=2,
                metrics=(MetricDifference("accuracy", 92.0, 90.0, 0.0),),
            ),
        ]
        scored = [ScoreVerdict(KEY, ()), ScoreVerdict(self.OTHER, (self.LOST,))]
        plain = AuditReport("small", "f" * 64, scored, [], ["Weights were not hashed."])
        return with_reexecution(plain, Reexecution(7, 12, found))

    def test_what_differs_is_the_verdict_on_the_score(self, report):
        """Beside what the audit has found before."""
        assert [score.verdict for score in report.scores] == [Verdict.VERIFIED, Verdict.ALTERED]
        assert report.scores[1].findings[0] == self.LOST
        assert report.verdict == Verdict.ALTERED

    def test_the_report_says_that_the_others_were_not_computed_again(self, report):
        assert report.limits[-1].startswith("2 of 12 scores were computed again, drawn by the seed")

    def test_the_summary_has_a_line_for_each(self, report):
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(show.render(report))
        text = console.export_text()
        assert "computed again: xnli.jsonl: en: identical\n" in text
        assert "sw: different (2 of 100 predictions differ; accuracy is 92.0, not 90.0)" in text

    def test_json_and_page_have_the_difference_of_each(self, report):
        found = show.as_json(report)["reexecution"]
        assert [score["outcome"] for score in found["scores"]] == ["identical", "different"]
        assert found["scores"][1]["metrics"] == [
            {"name": "accuracy", "stored": 92.0, "again": 90.0, "allowed": 0.0}
        ]
        assert "accuracy is 92.0, not 90.0" in show.as_html(report)
