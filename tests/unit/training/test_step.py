"""The gradient of a step: however it is cut into micro-batches, up to rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.errors import TrainingError
from xstilts.provenance.files import read_json
from xstilts.training.loop import Trainer
from xstilts.training.train import TrainingRun, run


def no_gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def job_of(folder, name="trained", task_type="classification", **changes):
    job = tiny.training_job(folder, tiny.task(folder, task_type, **changes), name=name)
    return replace(job, compute=tiny.compute(micro_batch_tokens=10_000))


@pytest.mark.parametrize("allocate", [tiny.too_much, no_gpu_memory])
def test_the_step_is_done_again_in_smaller_parts(allocate, tmp_path, capsys):
    """From scratch: its gradient is that of a step that fitted, up to rounding."""
    gradients = []
    for limit in (10_000, 16):
        state = Trainer(job_of(tmp_path, batch_size=14))
        state.train_mode(True)
        tiny.small_device(state, limit, allocate)
        state.gradients.compute(0, "t_classification", np.arange(14))
        gradients.append({n: p.grad.clone() for n, p in state.parameters().items()})
    assert state.gradients.budget <= 32
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-6)
    lines = [x for x in capsys.readouterr().out.splitlines() if "out of memory" in x]
    assert lines
    assert "step 1 of t_classification: out of memory; computed again" in lines[-1]
    assert f"at most {state.gradients.budget} tokens" in lines[-1]


def test_the_smaller_parts_stay_and_are_recorded(tmp_path):
    """A step is not tried whole again; a resumed training knows; the stamp says it."""
    job = job_of(tmp_path)
    training = TrainingRun(job)
    state = training.trainer
    tiny.small_device(state, 16)
    with pytest.raises(SystemExit):
        list(training.steps(lambda: state.step == 3))
    again = TrainingRun(job)
    assert again.resume() == 3
    assert again.trainer.gradients.budget == state.gradients.budget < 10_000
    run(job)
    assert read_json(job.stamp)["outcomes"]["micro_batch_tokens"] == state.gradients.budget


def test_one_example_that_does_not_fit_is_a_clear_error(tmp_path):
    """There is nothing left to cut."""
    state = Trainer(job_of(tmp_path))
    tiny.small_device(state, 2)
    with pytest.raises(
        TrainingError,
        match=r"step 1 of t_classification: out of memory with one example of \d+ tokens at a time",
    ):
        list(state.steps())


def test_another_error_is_not_taken_for_a_lack_of_memory(tmp_path):
    """It comes out as it is."""

    def broken():
        raise RuntimeError("shapes do not match")

    state = Trainer(job_of(tmp_path))
    tiny.small_device(state, 0, broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(state.steps())


@pytest.mark.parametrize("budget", [1, 25, 40])
def test_a_loss_that_compares_all_items_of_a_step_is_cut_as_well(budget, tmp_path):
    """A dual encoder's loss and gradients are those of the uncut step, dropout included."""
    stamp = tiny.split(tmp_path / "examples/pairs/en.json", "retrieval", tiny.translations(9))
    task = replace(
        tiny.task(tmp_path, batch_size=9), task_type="retrieval", labels=(), examples=(stamp,)
    )
    found = []
    for tokens in (10_000, budget):
        job = tiny.training_job(tmp_path, task)
        state = Trainer(replace(job, compute=tiny.compute(micro_batch_tokens=tokens)))
        state.train_mode(True)
        loss = state.gradients.compute(0, task.name, np.arange(9))
        found.append(
            {n: p.grad.clone() for n, p in state.parameters().items() if p.grad is not None}
            | {"loss": loss}
        )
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-3, atol=1e-5)
