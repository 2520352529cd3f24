"""A whole training: what it leaves, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from support import tiny
from xstilts.errors import LineageError
from xstilts.models import checkpoint
from xstilts.provenance.files import read_json
from xstilts.provenance.stamp import verify
from xstilts.training.train import run


def test_a_task_of_parts_trains_on_all_of_them(tmp_path):
    """Every part is an input of the stamp, by its place."""
    one, two = tiny.task(tmp_path, n=14), tiny.task(tmp_path, n=6)
    both = replace(one, examples=(*one.examples, *two.examples))
    job = tiny.training_job(tmp_path, both)
    run(job)
    stamp = read_json(job.stamp)
    assert stamp["outcomes"]["items"] == {"t_classification": 20}
    assert set(stamp["inputs"]) == {
        "encoder", "examples.t_classification.0", "examples.t_classification.1",
    }  # fmt: skip


def test_the_same_training_gives_the_same_bytes(tmp_path):
    """Weights and stamp, in two folders."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    for job in jobs:
        run(job)
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])
    assert jobs[0].stamp.read_bytes() == jobs[1].stamp.read_bytes()


def test_what_ran_before_changes_nothing(tmp_path):
    """Torch's own random numbers are never used from where they happen to be."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    torch.manual_seed(5)
    run(jobs[0])
    torch.rand(17)
    run(jobs[1])
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])


def test_a_training_leaves_weights_a_stamp_that_proves_them_and_no_state(tmp_path):
    """Nothing else lies in its folder but the log, its curves and the records of the run."""
    job = tiny.training_job(tmp_path, save_every=0)
    run(job)
    stamp = verify(job.stamp)
    assert stamp["spec"] == "spec1"
    assert set(stamp["inputs"]) == {"encoder", "examples.t_classification"}
    assert stamp["outcomes"]["steps"] == 8
    assert stamp["outcomes"]["items"] == {"t_classification": 14}
    assert sorted(p.name for p in job.folder.iterdir()) == [
        "checkpoint.json",
        "curves",
        "log.jsonl",
        "run.json",
        "weights.safetensors",
    ]
    assert read_json(job.folder / "run.json")["resumed_from"] == 0


def test_training_learns(tmp_path):
    """The loss of the last step is far below that of the first."""
    tiny.encoder(tmp_path / "encoder", dropout=0.0)
    task = tiny.task(tmp_path, n=40, epochs=25, learning_rate=3e-3)
    job = tiny.training_job(tmp_path, task)
    run(job)
    losses = [json.loads(x)["loss"] for x in (job.folder / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_the_log_has_a_line_for_every_step_of_a_short_training(tmp_path):
    """With task, loss, learning rate, speed and the time left."""
    job = tiny.training_job(tmp_path)
    run(job)
    lines = [json.loads(x) for x in (job.folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert set(lines[0]) == {
        "step", "of", "task", "loss", "learning_rate", "tokens", "seconds",
        "tokens_per_second", "seconds_left", "time",
    }  # fmt: skip
    assert lines[-1]["seconds_left"] == 0


@pytest.mark.parametrize("seed", [2, 3])
def test_another_seed_gives_another_result(seed, tmp_path):
    """Seeds are what error bars are made of."""
    jobs = [
        tiny.training_job(tmp_path, name="a"),
        tiny.training_job(tmp_path, name="b", seed=seed),
    ]
    for job in jobs:
        run(job)
    assert tiny.weights(jobs[0]) != tiny.weights(jobs[1])


@pytest.mark.parametrize(
    "forms", [["tagging"], ["multiple_choice"], ["span_qa"], list(tiny.ROWS_OF)]
)
def test_every_format_can_be_trained_alone_and_together(forms, tmp_path):
    """One head a task is left."""
    job = tiny.training_job(tmp_path, *(tiny.task(tmp_path, f, epochs=1) for f in forms))
    run(job)
    saved = checkpoint.Checkpoint.load(job.folder / checkpoint.FILE, job.encoder.parent)
    assert {name.split(".")[0] for name in saved.heads} == {f"t_{task_type}" for task_type in forms}
    assert set(read_json(job.stamp)["outcomes"]["last_loss"]) == {
        f"t_{task_type}" for task_type in forms
    }


@pytest.mark.parametrize("why", ["no start", "no head", "another shape", "not asked for"])
def test_else_a_head_is_new(why, tmp_path):
    """And the stamp says so."""
    first = tiny.training_job(tmp_path, tiny.task(tmp_path), name="first")
    run(first)
    task = replace(tiny.task(tmp_path), head_from="t_classification")
    if why == "no head":
        task = replace(task, head_from="other")
    if why == "another shape":
        task = replace(task, labels=("yes", "no", "maybe"))
    if why == "not asked for":
        task = replace(task, head_from=None)
    start = None if why == "no start" else first.stamp
    job = tiny.training_job(tmp_path, task, name="second", start=start)
    run(job)
    assert read_json(job.stamp)["outcomes"]["heads"] == {"t_classification": "new"}


def test_the_machine_decides_nothing(tmp_path):
    """Other cores, thread settings and hash seeds in the environment: the same bytes."""
    jobs = [tiny.training_job(tmp_path, name=name) for name in "ab"]
    environments = [
        {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
        {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "2"},
    ]
    for job, environment in zip(jobs, environments, strict=True):
        path = tmp_path / f"{job.folder.name}.pickle"
        path.write_bytes(pickle.dumps(job))
        code = (
            "import pickle, sys; from pathlib import Path; from xstilts.training.train import run;"
            "run(pickle.loads(Path(sys.argv[1]).read_bytes()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], env=os.environ | environment, check=False
        )
        assert done.returncode == 0
    assert tiny.weights(jobs[0]) == tiny.weights(jobs[1])
    assert jobs[0].stamp.read_bytes() == jobs[1].stamp.read_bytes()


@pytest.mark.parametrize("role", ["encoder", "examples"])
def test_inputs_whose_bytes_were_changed_are_refused(role, tmp_path):
    """Before anything is computed; the error names the file."""
    job = tiny.training_job(tmp_path)
    examples_file = job.tasks[0].examples[0].with_suffix(".parquet")
    damaged = {"encoder": job.encoder.parent / "model.safetensors", "examples": examples_file}[role]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(LineageError, match=damaged.name):
        run(job)
    assert not job.folder.exists()


def test_a_start_trained_from_another_encoder_is_refused(tmp_path):
    """A compact checkpoint means nothing without the very encoder that it shrank."""
    first = tiny.training_job(tmp_path, name="first")
    run(first)
    tiny.encoder(first.encoder.parent, seed=9)
    second = tiny.training_job(tmp_path, name="second", start=first.stamp)
    with pytest.raises(LineageError, match=r"first/checkpoint.json: was trained from another"):
        run(second)
