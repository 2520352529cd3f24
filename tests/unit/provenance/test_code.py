"""What a job runs of the library is what its spec covers: no module slips past the code digest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xstilts.provenance import code

TRAIN = """
import sys, tiny
from pathlib import Path
from xstilts import training
folder = Path(sys.argv[1])
training.run(tiny.training_job(folder, tiny.task(folder, sys.argv[2])))
"""
EVALUATE = """
from xstilts import evaluation
task_type = sys.argv[2]
stamp = tiny.split(folder / "test.json", task_type, tiny.ROWS_OF[task_type][0](6))
trained = tiny.training_job(folder, tiny.task(folder, task_type))
scorer, primary = tiny.SCORING[task_type]
evaluation.run(
    tiny.evaluation_job(folder, trained, {"en": stamp}, scorer=scorer, primary=primary)
)
"""
NAMES = """
print(*(m for m in sys.modules if m.split(".")[0] == "xstilts"))
"""
# the study's types, which jobs are built of; the scripts have them as well
GIVEN = set(code.code_of(["xstilts.config.study"]))


def modules_run(script: str, *arguments: str) -> set[str]:
    """The library's modules that a process has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rpartition("/")[0],
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("task_type", ["classification", "multiple_choice", "tagging", "span_qa"])
def test_a_job_runs_nothing_that_its_spec_does_not_name(task_type, tmp_path):
    """Training and evaluation import inside the closure of their stage, also lazily."""
    script = TRAIN + EVALUATE + NAMES
    covered = set(
        code.code_of(
            [
                "xstilts.training.train",
                "xstilts.evaluation.evaluate",
                f"xstilts.tasks.{task_type}.model",
            ]
        )
    )
    assert modules_run(script, str(tmp_path), task_type) <= covered | GIVEN
