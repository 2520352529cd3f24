"""Every benchmark starts: its imports exist and it explains itself."""

from __future__ import annotations

import runpy
import sys

import pytest

from support.places import ROOT

PROGRAMS = sorted((ROOT / "bench").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.stem for program in PROGRAMS])
def test_a_benchmark_explains_itself(program, monkeypatch, capsys):
    monkeypatch.syspath_prepend(program.parent)
    monkeypatch.setattr(sys, "argv", [program.name, "--help"])
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # which some set for the processes they start
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(program), run_name="__main__")
    assert ended.value.code == 0
    assert f"usage: {program.name}" in capsys.readouterr().out
