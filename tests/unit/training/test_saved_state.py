"""A training that is killed at any moment and started again ends with the same bits."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load

from support import tiny
from xstilts.errors import TrainingError
from xstilts.training import saved_state, train
from xstilts.training.log import CURVES, LOG
from xstilts.training.loop import Trainer
from xstilts.training.saved_state import STATE, best_file
from xstilts.training.step import StepGradients
from xstilts.training.train import TrainingRun, run

if TYPE_CHECKING:
    from pathlib import Path

FORMS = ("classification", "tagging")


def one_task(folder, name="trained", **changes):
    return tiny.training_job(folder, name=name, **changes)


def two_tasks(folder, name="trained", **changes):
    return tiny.training_job(
        folder, *(tiny.task(folder, task_type) for task_type in FORMS), name=name, **changes
    )


def second_stage(folder, name="trained", **changes):
    first = one_task(folder, "first")
    if not first.stamp.exists():
        run(first)
    recipe = tiny.task(folder, "span_qa")
    return tiny.training_job(folder, recipe, name=name, start=first.stamp, **changes)


def with_selection(folder, name="trained", **changes):
    """The best checkpoint is chosen on development data every second step."""
    settings = {"eval_every": 2, "epochs": 4, "weight_decay": 0.3}
    task = with_dev(folder, tiny.task(folder, **(settings | changes)))
    return tiny.training_job(folder, task, name=name)


def interrupt(job, step) -> None:
    """Start or go on with a training, and ask it to stop after a step."""
    training = TrainingRun(job)
    training.resume()
    with pytest.raises(SystemExit) as stopped:
        list(training.steps(lambda: training.trainer.step >= step))
    assert stopped.value.code == 128 + signal.SIGTERM


def outcome(job):
    return tiny.weights(job), job.stamp.read_bytes()


@pytest.fixture
def reference(tmp_path):
    """What the training of one task leaves when nothing interrupts it."""
    job = one_task(tmp_path, "uninterrupted")
    run(job)
    return outcome(job)


# --- asked to stop -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [one_task, two_tasks, second_stage])
def test_a_resumed_training_ends_with_the_same_bits(make, tmp_path):
    """Interrupted at a random step; several tasks and an earlier stage included."""
    whole = make(tmp_path, "whole")
    run(whole)
    job = make(tmp_path)
    total = Trainer(job).schedule.total
    interrupt(job, random.Random(make.__name__).randrange(1, total))
    run(job)
    assert outcome(job) == outcome(whole)


def test_interrupted_after_every_single_step_it_ends_with_the_same_bits(tmp_path, reference):
    """Also after the last one, when only the checkpoint is missing."""
    job = one_task(tmp_path)
    for step in range(1, 9):
        interrupt(job, step)
    run(job)
    assert outcome(job) == reference


def test_resuming_says_where_it_goes_on(tmp_path, capsys):
    """For people in the output, for the record in run.json."""
    job = one_task(tmp_path)
    interrupt(job, 3)
    run(job)
    assert "resumed at step 3 of 8" in capsys.readouterr().out
    assert json.loads((job.folder / "run.json").read_bytes())["resumed_from"] == 3


def test_the_log_has_every_step_once(tmp_path):
    """Steps that are done again, and those of a training before, are not logged twice."""
    job = one_task(tmp_path)
    training = TrainingRun(job)
    steps = training.steps()
    for _ in range(3):
        next(steps)
    training.saved.save(training.trainer)
    next(steps)
    next(steps)  # logs the one before, which is not saved
    with (job.folder / LOG).open("a") as stream:
        stream.write('{"step": 5, "los')
    run(job)
    logged = [json.loads(x)["step"] for x in (job.folder / LOG).read_text().splitlines()]
    assert logged == list(range(1, 9))
    job.stamp.unlink()
    run(job)
    assert len((job.folder / LOG).read_text().splitlines()) == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_schedulers_warning_saves_the_state(number, tmp_path, reference, monkeypatch):
    """The step is finished, saved and the process ends; the old handlers are back."""
    job = one_task(tmp_path)
    before = signal.getsignal(number)
    compute = StepGradients.compute

    def warned(self, step, *args):
        if step == 4:
            os.kill(os.getpid(), number)
        return compute(self, step, *args)

    monkeypatch.setattr(StepGradients, "compute", warned)
    with pytest.raises(SystemExit):
        run(job)
    assert signal.getsignal(number) is before
    assert not job.stamp.exists()
    monkeypatch.undo()
    assert TrainingRun(job).resume() == 5
    run(job)
    assert outcome(job) == reference


# --- states that must not be used ----------------------------------------------------------------


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def nothing(path) -> None:
    path.write_bytes(b"")


def garbage(path) -> None:
    path.write_bytes(random.Random(1).randbytes(5000))


def flip(path) -> None:
    """One bit in the middle of the numbers: still a perfectly readable file."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 0x40
    path.write_bytes(content)


def forget(path) -> None:
    """A state that does not say what it is."""
    tensors = saved_state.load_file(path)
    del tensors["about"]
    saved_state.save_file(tensors, path)


def less(path) -> None:
    """A state of a version that kept no losses."""
    tensors = saved_state.load_file(path)
    about = json.loads(bytes(tensors["about"].numpy()))
    del about["crc32"], about["losses"]
    tensors["about"] = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    saved_state.save_file(tensors, path)


@pytest.mark.parametrize("damage", [cut, nothing, garbage, flip, forget, less])
def test_a_damaged_state_is_dropped(damage, tmp_path, reference, capsys):
    """A line says so, and the training starts from its beginning, never from a wrong state."""
    job = one_task(tmp_path)
    interrupt(job, 4)
    damage(job.folder / STATE)
    run(job)
    said = capsys.readouterr().out
    assert f"{STATE}: not usable (" in said
    assert "starting from the beginning" in said
    assert outcome(job) == reference


def test_a_state_of_another_spec_is_dropped(tmp_path, reference, capsys):
    """The study, or the library, has changed since it was saved."""
    interrupt(one_task(tmp_path, spec="before"), 4)
    job = one_task(tmp_path)
    run(job)
    assert "not usable (another spec)" in capsys.readouterr().out
    assert outcome(job) == reference


def test_a_state_from_other_inputs_is_dropped(tmp_path, capsys):
    """The same spec, but the examples' bytes are others: the stamp would tell an untruth."""
    job = one_task(tmp_path)
    interrupt(job, 4)
    tiny.split(job.tasks[0].examples[0], "classification", tiny.sentences(14)[::-1])
    run(job)
    assert "not usable (another inputs)" in capsys.readouterr().out
    again = one_task(tmp_path, "again")
    run(again)
    assert outcome(job) == outcome(again)


def test_a_state_in_another_precision_is_dropped(tmp_path, reference, capsys):
    """`auto` may resolve otherwise on another machine; the stamp names one precision."""
    interrupt(one_task(tmp_path, compute=tiny.compute(precision="bf16")), 4)
    job = one_task(tmp_path)
    run(job)
    assert "not usable (another precision)" in capsys.readouterr().out
    assert outcome(job) == reference


def test_a_state_of_another_model_of_device_is_dropped(tmp_path, reference, monkeypatch, capsys):
    """Its sums are rounded otherwise: half of a training each would repeat nowhere."""
    with monkeypatch.context() as patched:
        patched.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
        interrupt(one_task(tmp_path), 4)
    job = one_task(tmp_path)
    run(job)
    assert "not usable (another device_name)" in capsys.readouterr().out
    assert outcome(job) == reference


# --- the best checkpoint -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 4, 5, 6, 9])
def test_a_resumed_training_keeps_the_same_best(step, tmp_path):
    """Score, step and patience go on as if nothing had happened, wherever it stopped."""
    whole, job = with_selection(tmp_path, "whole"), with_selection(tmp_path)
    run(whole)
    interrupt(job, step)
    run(job)
    assert tiny.weights(job) == tiny.weights(whole)
    assert job.stamp.read_bytes() == whole.stamp.read_bytes()
    assert not list(job.folder.glob("best-*"))


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_state_whose_best_checkpoint_is_not_as_it_was_is_dropped(damage, tmp_path, capsys):
    """Never a wrong checkpoint that looks right: it is trained again."""
    whole, job = with_selection(tmp_path, "whole"), with_selection(tmp_path)
    run(whole)
    interrupt(job, 5)
    (best,) = job.folder.glob("best-*")
    if damage == "gone":
        best.unlink()
    else:
        best.write_bytes(best.read_bytes()[:-9])
    run(job)
    assert "not usable" in capsys.readouterr().out
    assert tiny.weights(job) == tiny.weights(whole)


def test_a_better_one_after_the_saved_state_does_not_displace_its_best(tmp_path):
    """Killed between a new best and the next saved state, the older best is still there."""
    job = with_selection(tmp_path, epochs=9)
    training = TrainingRun(job)
    scores = iter([1.0, 2.0, 3.0])
    training.trainer.development.score = lambda *_: ({"t_classification": next(scores)}, [])
    steps = training.steps()
    for _ in range(2):
        next(steps)
    training.saved.save(training.trainer)
    for _ in range(4):
        next(steps)
    assert sorted(p.name for p in job.folder.glob("best-*")) == [
        best_file(job.folder, step).name for step in (2, 6)
    ]
    again = TrainingRun(job)
    assert again.resume() == 2
    assert again.trainer.history.best_step == 2
    assert [p.name for p in job.folder.glob("best-*")] == [best_file(job.folder, 2).name]


# --- killed between two writes -------------------------------------------------------------------


def test_killed_after_the_weights_and_before_the_stamp(tmp_path, reference, monkeypatch):
    """Weights without a stamp are nothing; the training goes on from its last state."""
    job = one_task(tmp_path, save_every=0)
    monkeypatch.setattr(train, "write_stamp", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(job)
    assert (job.folder / "weights.safetensors").exists()
    assert not job.stamp.exists()
    monkeypatch.undo()
    run(job)
    assert outcome(job) == reference


def test_a_finished_training_is_not_trained_again(tmp_path, reference, capsys):
    """Another process may have finished it since the job was planned."""
    job = one_task(tmp_path, save_every=0)
    run(job)
    record = (job.folder / "run.json").read_bytes()
    (job.folder / STATE).write_bytes(b"left by a kill before it was removed")
    run(job)
    assert "nothing to train" in capsys.readouterr().out
    assert outcome(job) == reference
    assert (job.folder / "run.json").read_bytes() == record
    assert not (job.folder / STATE).exists()


@pytest.mark.parametrize("other", ["spec", "inputs", "weights"])
def test_a_finished_training_of_something_else_is_no_excuse(other, tmp_path, capsys):
    """It is trained again for another spec, from other examples, and when its weights changed."""
    job = one_task(tmp_path, spec="another" if other == "spec" else "spec1")
    run(job)
    if other == "inputs":
        tiny.split(job.tasks[0].examples[0], "classification", tiny.sentences(14)[::-1])
    if other == "weights":
        flip(job.folder / "weights.safetensors")
    wanted = one_task(tmp_path)
    run(wanted)
    assert "nothing to train" not in capsys.readouterr().out
    fresh = one_task(tmp_path, "fresh")
    run(fresh)
    assert outcome(wanted) == outcome(fresh)


@contextmanager
def small_disk(folder, megabytes: int):
    """A file system of its own, as only root can mount one."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("mounting a small disk needs root")
    folder.mkdir()
    size = f"size={megabytes}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder) -> Path:
    """Leave not a byte."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb") as stream:
        while True:
            stream.write(bytes(4096))
            stream.flush()
    return filler


def test_a_disk_that_is_full_for_a_while_costs_no_training(tmp_path, reference, capsys):
    """The log names a state that cannot be saved; the last good one stays."""
    with small_disk(tmp_path / "disk", 2):
        job = one_task(tmp_path, save_every=0.0)
        job = replace(job, stamp=tmp_path / "disk" / "trained" / "checkpoint.json")
        training = TrainingRun(job)
        training.resume()
        steps = training.steps()
        for _ in range(4):
            next(steps)
        filler = fill(tmp_path / "disk")
        next(steps)
        next(steps)
        steps.close()
        filler.unlink()
        assert f"{STATE}: cannot be saved at step 4" in capsys.readouterr().out
        assert TrainingRun(job).resume() == 3
        assert not list(job.folder.glob(".*"))
        run(job)
        assert outcome(job) == reference


def test_a_disk_without_room_for_the_weights_is_a_clear_error(tmp_path, reference, monkeypatch):
    """Nothing is stamped; with room again the training goes on from its last state."""
    with small_disk(tmp_path / "disk", 2):
        job = one_task(tmp_path, save_every=0.0)
        job = replace(job, stamp=tmp_path / "disk" / "trained" / "checkpoint.json")
        write = TrainingRun.write_checkpoint

        def onto_a_full_disk(self, path):
            fill(tmp_path / "disk")
            write(self, path)

        monkeypatch.setattr(TrainingRun, "write_checkpoint", onto_a_full_disk)
        with pytest.raises(TrainingError, match=r"trained: cannot be written to .*(space|device)"):
            run(job)
        monkeypatch.undo()
        assert not job.stamp.exists()
        assert not (job.folder / "weights.safetensors").exists()
        (tmp_path / "disk" / "filler").unlink()
        run(job)
        assert json.loads((job.folder / "run.json").read_bytes())["resumed_from"] == 8
        assert outcome(job) == reference


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_read(tmp_path):
    """One line that names it."""
    job = one_task(tmp_path)
    (tmp_path / "file").write_text("in the way")
    job = replace(job, stamp=tmp_path / "file" / "trained" / "checkpoint.json")
    with pytest.raises(TrainingError, match="file/trained: cannot be written to"):
        run(job)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    """A state may be gigabytes: it must not lie there for ever under a hidden name."""
    job = one_task(tmp_path)
    left = [job.folder / name for name in (f".{STATE}.0123.tmp", ".tmpAbC123")]
    job.folder.mkdir()
    for path in left:
        path.write_bytes(b"half")
    run(job)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(("number", "times"), [(signal.SIGKILL, 15), (signal.SIGTERM, 5)])
def test_killed_at_random_moments_it_ends_with_the_same_bits(number, times, tmp_path):
    """A state is saved after every step, the best checkpoint chosen on development data.

    The weights, the stamp and the log are whole; nothing else is left.
    """
    settings = {"epochs": 30, "batch_size": 2, "eval_every": 5, "patience": 1000}
    task = with_dev(tmp_path, tiny.task(tmp_path, n=16, **settings))
    whole = tiny.training_job(tmp_path, task, name="whole")
    run(whole)
    job = replace(tiny.training_job(tmp_path, task), save_every=0.0)
    processes = multiprocessing.get_context("forkserver")  # starts fast: all is imported before
    processes.set_forkserver_preload(["torch._dynamo", "pandas", "xstilts.training.train"])
    draw = random.Random(number)
    kills = 0
    for _ in range(times):
        process = processes.Process(target=run, args=(job,))
        process.start()
        lines = done(job)
        while process.is_alive() and done(job) <= lines + 2:
            time.sleep(0.01)  # let it get on, or the test would never end
        time.sleep(draw.uniform(0, 0.1))
        if process.is_alive():
            os.kill(process.pid, number)
        process.join()
        kills += process.exitcode != 0
    assert kills >= times // 2
    run(job)
    assert outcome(job) == outcome(whole)
    lines = [json.loads(x) for x in (job.folder / LOG).read_text().splitlines()]
    logged = [line["step"] for line in lines if "loss" in line]
    assert logged == [line["step"] for line in log_of(whole) if "loss" in line]
    assert [x["step"] for x in lines if "dev" in x] == list(range(5, 241, 5))
    assert sorted(p.name for p in job.folder.iterdir()) == [
        "checkpoint.json", CURVES, LOG, "run.json", "weights.safetensors",
    ]  # fmt: skip


def with_dev(folder, task, n=10):
    """A task with development examples of its own."""
    stamp = folder / "examples" / f"dev{n}" / "en.json"
    if not stamp.exists():
        tiny.split(stamp, task.task_type, tiny.ROWS_OF[task.task_type][0](n + 14)[14:])
    return replace(task, dev=(stamp,))


def log_of(job):
    return [json.loads(x) for x in (job.folder / LOG).read_text().splitlines()]


def done(job) -> int:
    """The step of the saved state of a training, 0 where there is none.

    Read at once: safetensors opens a file twice, for its header and for its data, and one that is
    replaced between the two reads as nonsense.
    """
    try:
        about = load((job.folder / STATE).read_bytes())["about"]
    except FileNotFoundError:
        return 0
    return int(json.loads(bytes(about.numpy()))["step"])
