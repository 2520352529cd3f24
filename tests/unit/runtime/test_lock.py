"""One process at a time makes an artefact, whatever becomes of the others."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from xstilts.runtime import lock
from xstilts.runtime.lock import FILE, lease

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from xstilts.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def elsewhere(folder: Path) -> Path:
    """The lease of a process on another machine."""
    path = folder / FILE
    says = {"token": "1", "host": "node7", "pid": 1, "process": "5", "kernel": "x", "slurm_job": 3}
    path.write_text(json.dumps(says))
    return path


def test_a_lease_is_given_back(tmp_path):
    """Also after an error, and it can be taken again."""
    with pytest.raises(ZeroDivisionError), lease(tmp_path / "new"):
        1 / (not (tmp_path / "new" / FILE).exists())
    assert not list((tmp_path / "new").iterdir())
    with lease(tmp_path / "new"):
        pass


def _add_one(folder: Path) -> None:
    for _ in range(20):
        with lease(folder, say=lambda _: None):
            value = int((folder / "value").read_text())
            time.sleep(0.001)
            (folder / "value").write_text(str(value + 1))


def test_no_two_processes_are_inside_at_once(tmp_path):
    """Four processes that read, wait and write: no addition is lost."""
    (tmp_path / "value").write_text("0")
    fork = multiprocessing.get_context("forkserver")
    processes = [fork.Process(target=_add_one, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "value").read_text() == "80"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["value"]


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path, capsys):
    """On its own machine a process is known to be dead."""
    process = holder(tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / FILE).exists()
    began = time.monotonic()
    with lease(tmp_path):
        pass
    assert time.monotonic() - began < 5
    assert f"taken over from process {process.pid} on " in capsys.readouterr().out


def test_a_terminated_process_gives_it_back(tmp_path):
    """SIGTERM is how a scheduler ends a job: the next attempt need not wait."""
    process = holder(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_living_process_is_waited_for(tmp_path, capsys):
    """However long it has been at work; a line says for whom."""
    process = holder(tmp_path)
    threading.Timer(1.0, process.terminate).start()
    began = time.monotonic()
    with lease(tmp_path, patience=30):
        assert time.monotonic() - began > 0.9
    said = capsys.readouterr().out
    assert f"process {process.pid} on " in said
    assert "waiting" in said
    process.communicate()


def test_a_process_elsewhere_is_waited_for_as_long_as_it_touches_its_lease(tmp_path):
    """Then it is taken for dead."""
    path = elsewhere(tmp_path)
    beats = 0

    def beat() -> None:
        nonlocal beats
        while beats < 5:
            time.sleep(0.2)
            os.utime(path)
            beats += 1

    threading.Thread(target=beat).start()
    began = time.monotonic()
    with lease(tmp_path, patience=0.6):
        assert beats == 5
        assert time.monotonic() - began > 1.0 + 0.6
        assert json.loads(path.read_bytes())["token"] != "1"


def test_a_held_lease_is_touched(tmp_path):
    """Every beat, as long as it is held."""
    with lease(tmp_path, beat=0.05):
        os.utime(tmp_path / FILE, (0, 0))
        until = time.monotonic() + 5
        while not (tmp_path / FILE).stat().st_mtime and time.monotonic() < until:
            time.sleep(0.05)
        assert (tmp_path / FILE).stat().st_mtime > 0


def test_a_lease_that_became_anothers_is_left_alone(tmp_path):
    """Neither touched nor removed by the process that lost it."""
    with lease(tmp_path, beat=0.05):
        path = elsewhere(tmp_path)
        os.utime(path, (0, 0))
        time.sleep(0.3)
        assert path.stat().st_mtime == 0
    assert path.exists()


def test_a_number_that_went_to_another_process_does_not_pass_for_the_holder(tmp_path, monkeypatch):
    """A process is its number and the moment when it began."""
    with lease(tmp_path):
        content = (tmp_path / FILE).read_bytes()
        assert not lock._is_dead(content)
        says = json.loads(content)
    assert lock._is_dead(json.dumps(says | {"process": "1"}).encode())
    assert not lock._is_dead(json.dumps(says | {"process": "1", "kernel": "other"}).encode())
    monkeypatch.setattr(lock, "_kernel", lambda: None)
    assert not lock._is_dead(b"{}")


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_an_unreadable_lease_is_removed_after_patience(content, tmp_path):
    """Its holder died while it wrote."""
    (tmp_path / FILE).write_bytes(content)
    with lease(tmp_path, patience=0.2):
        pass
    assert not list(tmp_path.iterdir())
