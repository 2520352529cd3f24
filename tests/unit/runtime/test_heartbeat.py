"""A process touches its file while it works, and others see whether it is dead."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xstilts.runtime.heartbeat import Holder, heartbeat

if TYPE_CHECKING:
    from pathlib import Path

DESCRIBE = """
import json
from xstilts.runtime.heartbeat import Holder
print(json.dumps(Holder.this_process().as_json()), flush=True)
"""


def touched(path: Path, seconds: float) -> bool:
    """Whether a file whose time was 0 gets another time within so many seconds."""
    until = time.monotonic() + seconds
    while not path.stat().st_mtime and time.monotonic() < until:
        time.sleep(0.01)
    return path.stat().st_mtime > 0


@pytest.fixture
def path(tmp_path):
    """A heartbeat file that has not been touched since 1970."""
    path = tmp_path / "beat.json"
    path.touch()
    os.utime(path, (0, 0))
    return path


class TestHeartbeat:
    def test_the_file_is_touched_while_the_body_runs(self, path):
        with heartbeat(path, 0.01, still_ours=lambda: True):
            assert touched(path, 5)
        os.utime(path, (0, 0))
        assert not touched(path, 0.1)

    def test_the_file_of_another_holder_is_not_touched(self, path):
        with heartbeat(path, 0.01, still_ours=lambda: False):
            assert not touched(path, 0.1)

    def test_a_deleted_folder_ends_neither_the_body_nor_the_heartbeat(self, path):
        with heartbeat(path, 0.01, still_ours=lambda: True):
            shutil.rmtree(path.parent)
            time.sleep(0.05)
            path.parent.mkdir()
            path.touch()
            os.utime(path, (0, 0))
            assert touched(path, 5)


class TestHolder:
    def test_this_process_is_alive(self):
        assert not Holder.this_process().is_dead()

    def test_a_process_that_has_ended_is_dead(self):
        done = subprocess.run([sys.executable, "-c", DESCRIBE], capture_output=True, check=True)
        assert Holder.of(json.loads(done.stdout)).is_dead()

    def test_a_later_process_with_the_same_number_is_not_the_holder(self):
        assert replace(Holder.this_process(), process_start="1").is_dead()

    @pytest.mark.parametrize("unknown", [{"kernel": "another"}, {"process_start": None}])
    def test_a_process_that_cannot_be_looked_up_is_not_called_dead(self, unknown):
        earlier = replace(Holder.this_process(), process_start="1")
        assert not replace(earlier, **unknown).is_dead()

    def test_an_unreadable_holder_is_not_called_dead(self):
        assert not Holder.of({}).is_dead()

    def test_a_holder_is_read_as_it_was_written(self):
        """The keys that a lock or a job state adds are left out."""
        holder = Holder.this_process()
        assert Holder.of(holder.as_json() | {"token": "1"}) == holder

    @pytest.mark.parametrize(
        ("slurm_job", "name"),
        [(None, "process 12 on node7"), ("3", "Slurm job 3, process 12 on node7")],
    )
    def test_messages_name_the_job_the_process_and_the_host(self, slurm_job, name):
        assert str(Holder.of({"pid": 12, "host": "node7", "slurm_job": slurm_job})) == name
