"""Jobs that run at once on one machine spread over its GPUs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from xstilts.runtime import gpu_slots
from xstilts.runtime.gpu_slots import VISIBLE, acquire, gpu_slot


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with three GPUs, as far as it can be known without using them."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(gpu_slots, "shared_folder", lambda: tmp_path)
    monkeypatch.delenv(VISIBLE, raising=False)


def next_device(devices, folder) -> str:
    """The device that one more job would get."""
    slot = acquire(devices, folder)
    slot.lock.release()
    return slot.device


def test_jobs_get_the_gpu_with_the_fewest_jobs(tmp_path):
    slots = [acquire(["0", "1", "2"], tmp_path) for _ in range(5)]
    assert [slot.device for slot in slots] == ["0", "1", "2", "0", "1"]
    assert next_device(["1", "2"], tmp_path) == "2"
    for slot in slots:
        slot.lock.release()


def test_a_job_sees_its_own_gpu_and_releases_it():
    with gpu_slot():
        assert os.environ[VISIBLE] == "0"
    assert VISIBLE not in os.environ


def test_the_gpu_is_one_of_those_that_the_user_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv(VISIBLE, "4,GPU-5a")
    with gpu_slot():
        assert os.environ[VISIBLE] == "4"
    assert os.environ[VISIBLE] == "4,GPU-5a"


def test_jobs_spread_over_the_slices_of_a_gpu(monkeypatch):
    """CUDA shows a process the first slice that the variable names; counting would start CUDA."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pytest.fail("CUDA was started"))
    monkeypatch.setenv(VISIBLE, "MIG-aa,MIG-bb")
    with gpu_slot():
        assert os.environ[VISIBLE] == "MIG-aa"
        monkeypatch.setenv(VISIBLE, "MIG-aa,MIG-bb")
        with gpu_slot():
            assert os.environ[VISIBLE] == "MIG-bb"


@pytest.mark.parametrize("gpus", [0, 1])
def test_without_a_choice_nothing_changes(gpus, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with gpu_slot():
        assert VISIBLE not in os.environ
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_no_slot(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from xstilts.runtime.gpu_slots import acquire\n"
        "slot = acquire(['0', '1'], Path(sys.argv[1])); print(slot.device, flush=True)\n"
        "time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "0\n"
    assert next_device(["0", "1"], tmp_path) == "1"
    other.kill()
    other.communicate()
    assert next_device(["0", "1"], tmp_path) == "0"
