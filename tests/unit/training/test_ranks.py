"""Several processes for one training: real ones, two on the CPU, that talk over gloo."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support import tiny
from xstilts.config.study import Mlm
from xstilts.errors import DataError, TrainingError
from xstilts.provenance.files import read_json
from xstilts.training import processes
from xstilts.training.job import MlmJob
from xstilts.training.log import LOG
from xstilts.training.ranks import ALONE, dealt
from xstilts.training.saved_state import STATE
from xstilts.training.train import Training, run

# --- a step's items ------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 8))
def test_items_are_dealt_by_their_tokens(lengths, count):
    """Each to one rank; none has more tokens than the one that has least and an item."""
    lengths = np.array(lengths)
    parts = dealt(lengths, range(len(lengths)), count)
    assert len(parts) == count
    assert sorted(item for part in parts for item in part) == list(range(len(lengths)))
    tokens = [int(lengths[part].sum()) for part in parts]
    assert max(tokens) - min(tokens) <= lengths.max()
    assert parts == dealt(lengths, list(range(len(lengths)))[::-1], count)


# --- the same training ---------------------------------------------------------------------------

SMOOTH = {"adam_epsilon": 1e-2}
"""With Adam's own epsilon an update is the sign of a gradient, be it nothing but rounding."""


def retrieval(folder, **changes):
    stamp = folder / "examples" / "pairs" / "en.json"
    if not stamp.exists():
        tiny.split(stamp, "retrieval", tiny.translations(9))
    task = tiny.task(folder, batch_size=6, **changes)
    return replace(task, name="t_retrieval", format="retrieval", labels=(), examples=(stamp,))


def jobs_of(folder) -> dict[str, object]:
    """Trainings of all kinds, dropout on, as they are for one process."""
    dev = tiny.split(folder / "examples/dev/en.json", "classification", tiny.sentences(30)[14:])
    text = tiny.split(folder / "examples/text/sw.json", "mlm", tiny.texts(9))
    choices = Mlm(rate=0.5, batch_size=3, max_length=24)
    classification = tiny.task(folder, **SMOOTH)
    often = tiny.task(folder, eval_every=3, **SMOOTH)
    made = {
        "classification": [classification],
        "cut small": [classification],
        "one item a step": [tiny.task(folder, n=3, batch_size=1, **SMOOTH)],
        "span_qa": [tiny.task(folder, "span_qa", **SMOOTH)],
        "retrieval": [retrieval(folder, **SMOOTH)],
        "two tasks": [classification, tiny.task(folder, "tagging", **SMOOTH)],
        "mlm": [classification],
        "dev": [replace(often, dev=(dev,))],
    }
    jobs = {name: tiny.training_job(folder, *tasks, name=name) for name, tasks in made.items()}
    jobs["cut small"] = replace(jobs["cut small"], compute=tiny.compute(micro_batch_tokens=12))
    jobs["mlm"] = replace(jobs["mlm"], mlm=MlmJob((text,), choices))
    return jobs


def learn(ranks, job) -> dict[str, object]:
    """What one rank knows after a training."""
    state = Training(job, ranks)
    losses = [sum(state.losses.values()) for _ in state.steps(lambda: False)]
    trained = {name: p.detach().clone() for name, p in state._parameters().items()}
    return {"losses": losses, "trained": trained, "record": replace(state.record, crc32=0)}


def too_small(ranks, job) -> dict[str, object]:
    """A step of which the second rank cannot hold its part."""
    state = Training(job, ranks)
    if ranks.rank == 1:
        tiny.small_device(state, 16)
    state._train_mode(True)
    name = job.tasks[0].name
    loss = state.gradients.of_step(0, name, np.arange(9)).item()
    grads = {n: p.grad.clone() for n, p in state._parameters().items() if p.grad is not None}
    return {"loss": loss, "grads": grads, "budget": state.gradients.budget}


def broken(ranks, job) -> str:
    """The error of each rank where one has got no number."""
    state = Training(job, ranks)
    if ranks.rank == 1:
        with torch.no_grad():
            state.heads["t_classification"].sentence.out.bias.fill_(float("nan"))
    with pytest.raises(TrainingError) as caught:
        list(state.steps(lambda: False))
    return str(caught.value)


def everything(ranks, jobs, folder) -> None:
    """All that is compared, in one start of the processes; each writes down what it finds."""
    found = {name: learn(ranks, job) for name, job in jobs.items()}
    for name in ("classification", "retrieval"):
        found[f"small {name}"] = too_small(ranks, uncut(jobs[name]))
    if ranks.count > 1:
        found["broken"] = broken(ranks, jobs["classification"])
        print("told by", ranks.rank)
    (folder / f"{ranks.rank} of {ranks.count}").write_bytes(pickle.dumps(found))


def uncut(job):
    return replace(job, compute=tiny.compute(micro_batch_tokens=10_000))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """What one process finds, and what each of two."""
    folder = tmp_path_factory.mktemp("ranks")
    jobs = jobs_of(folder)
    everything(ALONE, jobs, folder)
    processes.run(2, 1, everything, jobs, folder)
    return [pickle.loads((folder / name).read_bytes()) for name in ("0 of 1", "0 of 2", "1 of 2")]


KINDS = [
    "classification", "cut small", "one item a step", "span_qa", "retrieval", "two tasks", "mlm",
    "dev",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_what_one_does(kind, compared):
    """Loss by step and weights at the end, up to rounding; between the two, bit by bit."""
    alone, one, other = (found[kind] for found in compared)
    np.testing.assert_allclose(one["losses"], alone["losses"], rtol=1e-4)
    for name, tensor in alone["trained"].items():
        torch.testing.assert_close(one["trained"][name], tensor, rtol=1e-3, atol=2e-5)
        assert torch.equal(one["trained"][name], other["trained"][name]), name
    assert one["losses"] == other["losses"]
    assert one["record"] == other["record"] == alone["record"]


@pytest.mark.parametrize("kind", ["classification", "retrieval"])
def test_memory_that_runs_out_on_one_is_told_to_all(kind, compared):
    """They cut the step to the same size and find the same gradient."""
    alone, one, other = (found[f"small {kind}"] for found in compared)
    assert one["budget"] == other["budget"] < alone["budget"]
    assert one["loss"] == other["loss"] == pytest.approx(alone["loss"], rel=1e-4)
    assert one["grads"].keys() == alone["grads"].keys()
    for name, gradient in alone["grads"].items():
        torch.testing.assert_close(one["grads"][name], gradient, rtol=1e-3, atol=1e-5)
        assert torch.equal(one["grads"][name], other["grads"][name])


def test_a_loss_that_is_no_number_on_one_ends_all(compared):
    """With the same words."""
    _, one, other = (found.get("broken") for found in compared)
    assert one == other
    assert "the loss is nan at step 1 of 8" in one


# --- a whole training, and its end ---------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder, a training of two processes in it that nothing disturbed, and one not begun."""
    folder = tmp_path_factory.mktemp("whole")
    stamp = tiny.split(folder / "examples/dev/en.json", "classification", tiny.sentences(30)[14:])
    task = tiny.task(folder, n=16, epochs=15, batch_size=8, eval_every=4, patience=1000)
    task = replace(task, dev=(stamp,))

    def job(name):
        made = tiny.training_job(folder, task, name=name, save_every=0.0)
        return replace(made, compute=tiny.compute(gpus=2))

    run(job("whole"))
    return job


def outcome(job):
    return tiny.weights(job), job.stamp.read_bytes()


def test_a_training_of_two_processes_leaves_what_one_of_one_does(world):
    """And says that they were two; only the first has written."""
    job = world("whole")
    assert sorted(p.name for p in job.folder.iterdir()) == [
        "checkpoint.json", "curves", "log.jsonl", "made.json", "run.json", "weights.safetensors",
    ]  # fmt: skip
    assert read_json(job.stamp)["facts"]["processes"] == 2
    assert read_json(job.folder / "run.json")["processes"] == 2
    lines = [json.loads(x) for x in (job.folder / LOG).read_text().splitlines()]
    assert [x["step"] for x in lines if "loss" in x] == list(range(1, 31))


def when_it_has_begun(job, act) -> threading.Thread:
    """Do something as soon as a training has saved a state."""

    def body():
        until = time.monotonic() + 300
        while not (job.folder / STATE).exists() and time.monotonic() < until:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def test_a_schedulers_warning_saves_the_state(world, capsys):
    """Whoever gets it, all stop after the same step; started again, the same bits come out."""
    job = world("warned")
    thread = when_it_has_begun(job, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        run(job)
    thread.join()
    assert stopped.value.code == 128 + signal.SIGTERM
    assert not multiprocessing.active_children()
    assert not job.stamp.exists()
    run(job)
    assert "resumed at step" in capsys.readouterr().out
    assert read_json(job.folder / "run.json")["resumed_from"] > 0
    assert outcome(job) == outcome(world("whole"))


def test_a_killed_process_ends_the_others_at_once(world):
    """The error names it; started again, the same bits come out."""
    job = world("killed")
    ended = []

    def kill():
        victim = next(p for p in multiprocessing.active_children() if p.name == "rank 1")
        os.kill(victim.pid, signal.SIGKILL)
        ended.append(time.monotonic())

    thread = when_it_has_begun(job, kill)
    with pytest.raises(TrainingError, match=r"process 2 of 2 was killed \(SIGKILL; memory may"):
        run(job)
    thread.join()
    assert time.monotonic() - ended[0] < 20
    assert not multiprocessing.active_children()
    assert not job.stamp.exists()
    run(job)
    assert read_json(job.folder / "run.json")["resumed_from"] > 0
    assert outcome(job) == outcome(world("whole"))


# --- the processes -------------------------------------------------------------------------------


def one_fails(ranks) -> None:
    print("told by", ranks.rank)
    if ranks.rank == 1:
        raise DataError("examples.json: nothing in it")
    ranks.gather(None)


def test_the_error_of_one_process_is_that_of_all(capsys):
    """Not what it does to the others, who wait for it; only the first one's words are passed on."""
    with pytest.raises(DataError) as caught:
        processes.run(2, 1, one_fails)
    assert str(caught.value) == "examples.json: nothing in it"
    assert "in process 2 of 2:" in caught.value.__notes__[0]
    assert capsys.readouterr().out == "told by 0\n"


def wait_for_ever(ranks, folder: Path) -> None:
    (folder / str(ranks.rank)).write_text(str(os.getpid()))
    if ranks.rank == 1:
        time.sleep(1000)
    ranks.gather(None)


def test_processes_end_with_the_one_that_started_them(tmp_path):
    """Whatever ends it, and even where they wait for each other."""
    context = multiprocessing.get_context("forkserver")
    parent = context.Process(target=processes.run, args=(2, 1, wait_for_ever, tmp_path))
    parent.start()
    while len(list(tmp_path.iterdir())) < 2 or not all(p.read_text() for p in tmp_path.iterdir()):
        assert parent.is_alive()
        time.sleep(0.05)
    pids = [int(path.read_text()) for path in tmp_path.iterdir()]
    parent.kill()
    parent.join()
    until = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_more_gpus_than_there_are_is_a_clear_error(monkeypatch):
    """Before any process is started."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(TrainingError, match=r"compute.gpus is 4, but this job sees 2 GPUs"):
        processes.run(4, 1, one_fails)
