"""One process at a time makes an artefact, whatever happens to the other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from xstilts.runtime.lock import LOCK_FILE, artefact_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from xstilts.runtime.lock import artefact_lock
with artefact_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
ADD = """
import sys, time
from pathlib import Path
from xstilts.runtime.lock import artefact_lock
number = Path(sys.argv[1]) / "number"
for _ in range(20):
    with artefact_lock(number.parent, log=lambda _: None):
        value = int(number.read_text())
        time.sleep(0.001)
        number.write_text(str(value + 1))
"""


def python(script: str, folder: Path) -> subprocess.Popen[str]:
    """Another process that runs a script."""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = python(HOLD, folder)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def lock_of_another_machine(folder: Path) -> Path:
    """The lock file of a process on another machine."""
    path = folder / LOCK_FILE
    values = {"token": "1", "host": "node7", "pid": 1, "process_start": "5", "kernel": "x"}
    path.write_text(json.dumps(values | {"slurm_job": "3"}))
    return path


def test_the_lock_is_released_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), artefact_lock(tmp_path / "new"):
        1 / (not (tmp_path / "new" / LOCK_FILE).exists())
    assert not list((tmp_path / "new").iterdir())
    with artefact_lock(tmp_path / "new"):
        pass


def test_no_two_processes_hold_the_lock_at_once(tmp_path):
    """Four processes read a number, wait and write it back: no addition is lost."""
    (tmp_path / "number").write_text("0")
    processes = [python(ADD, tmp_path) for _ in range(4)]
    for process in processes:
        process.communicate()
    assert (tmp_path / "number").read_text() == "80"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["number"]


def test_the_lock_of_a_killed_process_is_broken_at_once(tmp_path, capsys):
    """On the same machine it is certain that the process has ended."""
    process = holder(tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / LOCK_FILE).exists()
    began = time.monotonic()
    with artefact_lock(tmp_path):
        pass
    assert time.monotonic() - began < 5
    assert f"taking over from process {process.pid} on " in capsys.readouterr().out


def test_sigterm_releases_the_lock(tmp_path):
    """A scheduler ends a job by SIGTERM: the next attempt need not wait."""
    process = holder(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_living_process_is_waited_for(tmp_path, capsys):
    """However long it works; a line names it."""
    process = holder(tmp_path)
    threading.Timer(1.0, process.terminate).start()
    began = time.monotonic()
    with artefact_lock(tmp_path, silence_limit=30):
        assert time.monotonic() - began > 0.9
    process.communicate()
    assert capsys.readouterr().out.startswith(
        f"{tmp_path}: waiting, because process {process.pid} on "
    )


def test_a_process_elsewhere_is_waited_for_as_long_as_it_touches_its_lock(tmp_path, capsys):
    """After the limit of silence it counts as dead."""
    path = lock_of_another_machine(tmp_path)
    touches = 0

    def touch() -> None:
        nonlocal touches
        while touches < 5:
            time.sleep(0.2)
            os.utime(path)
            touches += 1

    threading.Thread(target=touch).start()
    began = time.monotonic()
    with artefact_lock(tmp_path, silence_limit=0.6):
        assert touches == 5
        assert time.monotonic() - began > 1.0 + 0.6
        assert json.loads(path.read_bytes())["token"] != "1"
    assert "taking over from Slurm job 3, process 1 on node7, which has" in capsys.readouterr().out


def test_the_lock_that_another_process_took_is_left_alone(tmp_path):
    """The process that lost it neither touches nor removes it."""
    with artefact_lock(tmp_path, interval=0.05):
        path = lock_of_another_machine(tmp_path)
        os.utime(path, (0, 0))
        time.sleep(0.3)
        assert path.stat().st_mtime == 0
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_an_unreadable_lock_is_broken_after_the_limit_of_silence(content, tmp_path):
    """Its holder died while it wrote the file."""
    (tmp_path / LOCK_FILE).write_bytes(content)
    with artefact_lock(tmp_path, silence_limit=0.2):
        pass
    assert not list(tmp_path.iterdir())
