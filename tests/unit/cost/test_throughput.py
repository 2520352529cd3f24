"""Measured where there are runs, scaled or estimated elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.costs import TRAINING
from xstilts.cost.estimate import estimate
from xstilts.errors import StudyError
from xstilts.models.network.conversion import Conversion


def test_without_a_run_the_peak_of_a_device_decides(grid, costs):
    plan = estimate(grid, costs, device="box")
    throughput = plan.throughputs["tiny"]
    assert throughput.training == pytest.approx(60e12 * 0.5 / (6 * 100e6))
    assert throughput.reading == pytest.approx(3 * throughput.training)
    assert throughput.basis == "estimated: 50% of the peak of one box"


def test_an_encoder_that_automodel_computes_is_counted_and_slower(grid, costs, monkeypatch):
    """Its configuration calls its sizes otherwise, so its tensors are counted."""
    folder = grid.encoder("tiny").stamp.parent
    folder.mkdir(parents=True)
    tensors = {"shared.weight": np.zeros((40, 8)), "a": np.zeros((3, 5)), "b": np.zeros(7)}
    about = Conversion("shared.weight", trusted=False).metadata()
    save_file(tensors, folder / "model.safetensors", about)
    card = grid.resolved.cards.encoder("tiny").model_copy(update={"architecture": "automodel"})
    monkeypatch.setattr(grid.resolved.cards, "encoder", lambda name: card)
    throughput = estimate(grid, costs, device="box").throughputs["tiny"]
    assert throughput.training == pytest.approx(0.6 * 60e12 * 0.5 / (6 * 22))
    assert throughput.basis == (
        "estimated: 50% of the peak of one box, times 0.6 (AutoModel, with padding)"
    )


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
