"""A file's lock is held by one process at a time."""

from __future__ import annotations

import subprocess
import sys

from xstilts.runtime.file_lock import file_lock

HOLD = """
import sys, time
from pathlib import Path
from xstilts.runtime.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
ADD = """
import sys, time
from pathlib import Path
from xstilts.runtime.file_lock import file_lock
number = Path(sys.argv[1])
for _ in range(20):
    with file_lock(number.with_name("lock")):
        value = int(number.read_text())
        time.sleep(0.001)
        number.write_text(str(value + 1))
"""


def python(script, path):
    return subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)


def test_no_two_processes_hold_it_at_once(tmp_path):
    """Three processes read a number, wait and write it back: no addition is lost."""
    (tmp_path / "number").write_text("0")
    for process in [python(ADD, tmp_path / "number") for _ in range(3)]:
        process.communicate()
    assert (tmp_path / "number").read_text() == "60"


def test_a_killed_process_holds_nothing(tmp_path):
    process = python(HOLD, tmp_path / "lock")
    assert process.stdout.readline() == b"held\n"
    process.kill()
    process.communicate()
    with file_lock(tmp_path / "lock"):
        pass


def test_without_a_lock_the_work_is_done_all_the_same(tmp_path):
    """A file stands where the lock's folder would be."""
    (tmp_path / "file").write_text("")
    with file_lock(tmp_path / "file" / "lock"):
        (tmp_path / "done").touch()
    assert (tmp_path / "done").exists()
