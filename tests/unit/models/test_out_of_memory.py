"""A device whose memory runs out: the step is cut smaller and done again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.config.study import Evaluation
from xstilts.errors import TrainingError
from xstilts.evaluation import evaluate, predictor, scores
from xstilts.models import out_of_memory
from xstilts.models.forward import run_in_batches
from xstilts.provenance.files import read_json
from xstilts.training.loop import Trainer
from xstilts.training.train import TrainingRun, run


def no_gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def job_of(folder, name="trained", task_type="classification", **changes):
    job = tiny.training_job(folder, tiny.task(folder, task_type, **changes), name=name)
    return replace(job, compute=tiny.compute(micro_batch_tokens=10_000))


def test_what_an_allocation_that_fails_raises_is_known():
    """On the CPU it is torch's bare RuntimeError; another RuntimeError is another matter."""
    for allocate in (tiny.too_much, no_gpu_memory):
        with pytest.raises(RuntimeError) as caught:
            allocate()
        assert out_of_memory.is_out_of_memory(caught.value)
    assert out_of_memory.is_out_of_memory(MemoryError())
    assert not out_of_memory.is_out_of_memory(RuntimeError("shapes do not match"))


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


# --- a loss over the whole step ------------------------------------------------------------------


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


# --- reading -------------------------------------------------------------------------------------


def outputs_on_dev(state):
    """What the head gives for the development data."""
    task, development = state.job.tasks[0], state.development
    head, budget = state.heads[task.name], state.gradients.budget
    with development.rows.inside(state.encoder, state.decay):
        return development.outputs(task, state.encoder, head, state.device, budget)


def test_development_data_that_do_not_fit_are_read_in_smaller_parts(tmp_path, capsys):
    """To the same outputs; the steps of the training are not cut smaller for it."""
    job = job_of(tmp_path, eval_every=1)
    stamp = tiny.split(tmp_path / "examples/dev/en.json", "classification", tiny.sentences(20))
    state = Trainer(replace(job, tasks=(replace(job.tasks[0], dev=(stamp,)),)))
    state.train_mode(False)
    whole = outputs_on_dev(state)
    tiny.small_device(state, 40)
    np.testing.assert_allclose(outputs_on_dev(state), whole, rtol=1e-4, atol=1e-6)
    assert "development data of t_classification: out of memory" in capsys.readouterr().out
    next(state.steps())  # four examples fit
    assert state.history.evaluations == 1
    assert state.gradients.budget == 10_000


def test_one_development_example_that_does_not_fit_is_a_clear_error(tmp_path):
    """What cannot be read at all is told as what it is."""

    def forward(items):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(TrainingError, match=r"dev: out of memory with one example of 7 tokens"):
        run_in_batches("dev", np.array([7, 9]), 100, forward)


def test_an_evaluation_that_does_not_fit_is_read_in_smaller_parts(tmp_path, monkeypatch, capsys):
    """Its cell is the one that a larger device gives."""
    trained = job_of(tmp_path)
    run(trained)
    stamp = tiny.split(tmp_path / "test/en.json", "classification", tiny.sentences(20))
    found = []
    for tokens in (10_000, 40):
        folder = tmp_path / str(tokens)
        job = tiny.evaluation_job(folder, trained, {"en": stamp})
        job = replace(job, evaluation=Evaluation(batch_tokens=10_000))
        build = predictor.Predictor.__init__

        def on_a_small_device(model, job, build=build, tokens=tokens):
            build(model, job)
            tiny.small_device(model, tokens)

        monkeypatch.setattr(predictor.Predictor, "__init__", on_a_small_device)
        evaluate.run(job, lambda _: None)
        monkeypatch.undo()
        found.append(scores.read(job.cells)["en"])
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["predictions"] == found[1]["predictions"]
    assert "toy: out of memory; computed again" in capsys.readouterr().out
