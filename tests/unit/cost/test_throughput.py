"""Measured where there are runs, scaled or estimated elsewhere."""

from __future__ import annotations

import pytest

from support.costs import TRAINING
from xstilts.cost.estimate import estimate
from xstilts.errors import StudyError


def test_without_a_run_the_peak_of_a_device_decides(grid, costs):
    plan = estimate(grid, costs, device="box")
    throughput = plan.throughputs["tiny"]
    assert throughput.training == pytest.approx(60e12 * 0.5 / (6 * 100e6))
    assert throughput.reading == pytest.approx(3 * throughput.training)
    assert throughput.basis == "estimated: 50% of the peak of one box"


def test_an_unknown_device_is_refused(grid, costs):
    with pytest.raises(StudyError, match="unknown device 'bx'; did you mean 'box'"):
        estimate(grid, costs, device="bx")


def test_the_throughput_of_earlier_trainings_is_measured(grid, costs):
    folder = grid.paths.resources / "checkpoints/tiny/qa-0123"
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text(
        '{"step": 8, "of": 8, "loss": 0.5, "tokens": 10000, "tokens_per_second": 2500, '
        '"seconds": 4.0, "seconds_left": 0.0}\n'
    )
    (folder / "run.json").write_text('{"seconds": 9.0, "device": "cpu"}')
    plan = estimate(grid, costs)
    throughput = plan.throughputs["tiny"]
    assert (throughput.training, throughput.start_up_seconds) == (2500.0, 5.0)
    assert throughput.basis == "measured in 1 trainings"
    (job,) = [j for j in plan.jobs if j.title == TRAINING]
    assert job.seconds == pytest.approx(5 + 80_000 / 2500)
    assert "estimated" in estimate(grid, costs, device="box").throughputs["tiny"].basis
