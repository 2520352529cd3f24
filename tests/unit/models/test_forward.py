"""One forward pass over many instances, on a device whose memory runs out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.config.study import Evaluation
from xstilts.errors import TrainingError
from xstilts.evaluation import evaluate, predictor, scores
from xstilts.models.forward import run_in_batches
from xstilts.training.loop import Trainer
from xstilts.training.train import run


def job_of(folder, name="trained", task_type="classification", **changes):
    job = tiny.training_job(folder, tiny.task(folder, task_type, **changes), name=name)
    return replace(job, compute=tiny.compute(micro_batch_tokens=10_000))


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
    """The error names the part of the data and the length of the example."""

    def forward(items):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(TrainingError, match=r"dev: out of memory with one example of 7 tokens"):
        run_in_batches("dev", np.array([7, 9]), 100, forward)


def test_an_evaluation_that_does_not_fit_is_read_in_smaller_parts(tmp_path, monkeypatch, capsys):
    """Its score is the one that a larger device gives."""
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
        found.append(scores.read(job.score_file)["en"])
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["predictions"] == found[1]["predictions"]
    assert "toy: out of memory; computed again" in capsys.readouterr().out
