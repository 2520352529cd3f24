"""The best checkpoint on the English development data, or the last one; early stopping."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from support import tiny
from xstilts.errors import DataError
from xstilts.evaluation import evaluate
from xstilts.evaluation import scores as score_files
from xstilts.models import checkpoint
from xstilts.models.embedding_rows import EmbeddingRows
from xstilts.provenance.files import read_json
from xstilts.tasks.base import EncodingContext
from xstilts.training.log import LOG
from xstilts.training.loop import Trainer
from xstilts.training.model_selection import SelectionHistory
from xstilts.training.train import TrainingRun, run

OFTEN = {"eval_every": 2, "epochs": 4, "weight_decay": 0.3}


def dev(folder, task_type="classification", n=12, alphabet="abcdefghxyz"):
    """Development examples whose letters training does not all have; their stamp."""
    rows = tiny.ROWS_OF[task_type][0](n, alphabet)
    return tiny.split(folder / "examples" / f"dev-{task_type}{n}" / "en.json", task_type, rows)


def job_of(folder, task_type="classification", name="trained", **changes):
    task = replace(tiny.task(folder, task_type, **(OFTEN | changes)), dev=(dev(folder, task_type),))
    return tiny.training_job(folder, task, name=name)


def scores_by_step(job) -> dict[int, float]:
    lines = [json.loads(x) for x in (job.folder / LOG).read_text().splitlines()]
    return {x["step"]: x["dev_score"] for x in lines if "dev_score" in x}


def scored(job, scores) -> TrainingRun:
    """A training whose evaluations give these scores, one after the other."""
    training = TrainingRun(job)
    given = iter(scores)
    training.trainer.development.score = lambda *_: ({"t_classification": next(given)}, [])
    return training


# --- which one -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task_type",
    ["classification", "tagging", "multiple_choice", "span_qa", "document_qa"],
)
def test_the_dev_score_is_what_an_evaluation_of_the_kept_checkpoint_gives(task_type, tmp_path):
    """Scored by other code from the file: the same, tokens included that training never saw."""
    job = job_of(tmp_path, task_type)
    run(job)
    kept = read_json(job.stamp)["outcomes"]["selection"]
    found = tiny.evaluation_job(tmp_path, job, {"en": dev(tmp_path, task_type)})
    found = replace(found, scorer=job.tasks[0].scorer, primary=job.tasks[0].primary)
    evaluate.run(found, lambda _: None)
    cell = score_files.read(found.score_file)["en"]
    assert cell["metrics"][cell["primary"]] == kept["dev"][f"t_{task_type}"]
    assert scores_by_step(job)[kept["step"]] == max(scores_by_step(job).values())


def test_rows_that_only_the_dev_data_need_are_those_of_the_checkpoint(tmp_path):
    """Bit for bit, in the middle of a second training as well."""
    first = tiny.training_job(tmp_path, tiny.task(tmp_path, "tagging", **OFTEN), name="first")
    run(first)
    state = Trainer(replace(job_of(tmp_path), start=first.stamp))
    steps = state.steps()
    for _ in range(5):
        next(steps)
    with state.development.rows.inside(state.encoder, state.decay):
        inside = state.encoder.words.weight.detach().clone()
    folder, saved = first.encoder.parent, state.checkpoint()
    encode = state.data.task_models["t_classification"].encode
    task, rows = state.job.tasks[0], state.development.examples["t_classification"]
    context = EncodingContext(state.data.tokenizer, task.labels, task.hyperparameters)
    features = encode(rows, context)
    needed = EmbeddingRows.of([features])
    assert set(needed.token_ids.tolist()) - set(state.data.rows.token_ids.tolist())
    assert torch.equal(inside, needed.read(folder, saved.embeddings))
    assert len(state.encoder.words.weight) == len(state.data.rows)  # training goes on with its own


def test_the_best_is_kept_not_the_last(tmp_path):
    """What is written is the state after the best evaluation, byte by byte."""
    job = job_of(tmp_path)
    training = scored(job, [10.0, 30.0, 20.0, 30.0, 0, 0, 0, 0])
    steps = training.steps()
    for _ in range(4):
        next(steps)
    training.trainer.checkpoint().save(tmp_path / "after4", job.encoder.parent)
    list(steps)
    training.write_checkpoint(job.folder / checkpoint.FILE)
    assert tiny.weights(job) == (tmp_path / "after4").read_bytes()
    assert training.trainer.outcomes()["selection"] | {"dev_examples": 0} == {
        "kept": "best",
        "step": 4,
        "dev": {"t_classification": 30.0},
        "dev_examples": 0,
        "evaluations": 8,
        "stopped_early": False,
        "majority_class": [],
    }


def test_evaluations_are_every_so_many_steps_and_after_the_last(tmp_path):
    """16 steps, evaluated every 6."""
    job = job_of(tmp_path, eval_every=6)
    run(job)
    assert list(scores_by_step(job)) == [6, 12, 16]


def test_patience_ends_a_training(tmp_path):
    """After so many evaluations without a gain; a tie is none."""
    training = scored(job_of(tmp_path, patience=2, epochs=9), [1.0, 2.0, 2.0, 1.0, 9.0])
    list(training.steps())
    state = training.trainer
    assert state.step == 8
    assert state.history.best_step == 4
    assert state.outcomes()["steps"] == 8
    assert state.outcomes()["selection"]["stopped_early"]


def test_selection_does_not_change_what_is_trained(tmp_path):
    """Evaluating draws nothing and leaves no gradient: the last weights are the same."""
    with_dev, without = Trainer(job_of(tmp_path)), Trainer(job_of(tmp_path, selection="last"))
    for state in (with_dev, without):
        list(state.steps())
    assert without.development is None
    for name, tensor in with_dev.checkpoint().body.items():
        assert torch.equal(tensor, without.checkpoint().body[name])


def test_the_last_is_kept_on_request_and_where_there_is_no_dev_split(tmp_path):
    """The stamp says which, and why."""
    without = tiny.training_job(tmp_path, tiny.task(tmp_path, **OFTEN), name="without")
    asked = job_of(tmp_path, name="asked", selection="last")
    for job in (without, asked):
        run(job)
    assert read_json(without.stamp)["outcomes"]["selection"] == {
        "kept": "last",
        "why": "no dev split",
    }
    assert read_json(asked.stamp)["outcomes"]["selection"] == {"kept": "last"}
    assert tiny.weights(without) == tiny.weights(asked)


def test_several_tasks_are_judged_by_the_mean_of_their_primaries(tmp_path):
    """Of those that have a dev split."""
    forms = ("classification", "tagging", "span_qa")
    tasks = [tiny.task(tmp_path, task_type, **OFTEN) for task_type in forms]
    tasks[:2] = [
        replace(task, dev=(dev(tmp_path, task_type),))
        for task, task_type in zip(tasks[:2], forms[:2], strict=True)
    ]
    job = tiny.training_job(tmp_path, *tasks)
    run(job)
    kept = read_json(job.stamp)["outcomes"]["selection"]
    assert set(kept["dev"]) == {"t_classification", "t_tagging"}
    assert scores_by_step(job)[kept["step"]] == np.mean(list(kept["dev"].values()))


def test_dev_examples_are_drawn_by_their_ids(tmp_path):
    """As many as the study says."""
    state = Trainer(job_of(tmp_path, dev_examples=5))
    assert len(state.development.examples["t_classification"]) == 5


def test_a_dev_split_without_labels_is_an_error(tmp_path):
    """It names the stamp."""
    rows = [row | {"label": None} for row in tiny.sentences(3)]
    stamp = tiny.split(tmp_path / "examples/none/en.json", "classification", rows)
    task = replace(tiny.task(tmp_path), dev=(stamp,))
    with pytest.raises(DataError, match=r"none/en.json: no development example with a label"):
        Trainer(tiny.training_job(tmp_path, task))


def test_one_answer_to_everything_is_told_in_the_stamp(tmp_path):
    """A model that has learnt nothing but the majority class is easily taken for a result."""
    job = job_of(tmp_path, learning_rate=1e-9)
    state = Trainer(job)
    with torch.no_grad():
        state.heads["t_classification"].sentence.out.bias[0] = 100.0
    list(state.steps())
    assert state.outcomes()["selection"]["majority_class"] == ["t_classification"]


def test_the_history_is_read_back_as_it_was():
    """From JSON: floats exactly, minus infinity as well."""
    history = SelectionHistory()
    assert SelectionHistory(**json.loads(json.dumps(history.as_json()))) == history
    history.update(3, {"a": 1 / 3, "b": 0.1}, ["a"])
    assert SelectionHistory(**json.loads(json.dumps(history.as_json()))) == history
