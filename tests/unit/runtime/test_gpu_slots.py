"""Jobs that run at once on one machine spread over its GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch

from xstilts.runtime import gpu_slots
from xstilts.runtime.gpu_slots import VISIBLE, acquire, gpu_slot


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with three GPUs, as far as can be told without using them."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(gpu_slots, "shared_folder", lambda: tmp_path)
    monkeypatch.delenv(VISIBLE, raising=False)


def device_taken(devices, folder) -> str:
    """Where one more job would go."""
    slot, device = acquire(devices, folder)
    slot.close()
    return device


def test_jobs_take_the_gpu_with_the_fewest(tmp_path):
    with ExitStack() as held:
        found = []
        for _ in range(5):
            slot, device = acquire(["0", "1", "2"], tmp_path)
            held.enter_context(slot)
            found.append(device)
        assert found == ["0", "1", "2", "0", "1"]
    assert device_taken(["1", "2"], tmp_path) == "1"


def test_a_job_sees_its_own_gpu_and_gives_it_back():
    with gpu_slot():
        assert os.environ[VISIBLE] == "0"
    assert os.environ[VISIBLE] == "0,1,2"


def test_of_the_gpus_that_the_user_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv(VISIBLE, "4,GPU-5a")
    with gpu_slot():
        assert os.environ[VISIBLE] == "4"
    assert os.environ[VISIBLE] == "4,GPU-5a"


@pytest.mark.parametrize("gpus", [0, 1])
def test_where_there_is_no_choice_nothing_is_hidden(gpus, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with gpu_slot():
        assert VISIBLE not in os.environ
    assert not list(tmp_path.iterdir())


def test_a_slot_goes_with_its_process(tmp_path):
    """Also when it is killed."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from xstilts.runtime.gpu_slots import acquire\n"
        "slot, device = acquire(['0', '1'], Path(sys.argv[1])); print(device, flush=True)\n"
        "time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "0\n"
    assert device_taken(["0", "1"], tmp_path) == "1"
    other.kill()
    other.communicate()
    assert device_taken(["0", "1"], tmp_path) == "0"
