"""docs/audit.md: its commands do what it says, on a small finished study."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from support.places import ROOT
from xstilts.cli.main import main

PAGE = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for command in re.findall(r"^    xstilts (audit .*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)
    # tests/workflow/test_audit.py runs it on a study that was really computed
    if "--reexecute" not in command
]


def test_the_page_shows_commands():
    """If the page's form changes, the test below must not pass on nothing."""
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_verifies_an_untouched_study(command, grid, monkeypatch, capsys):
    """With the hash of the grid; its files are written where it says."""
    folder = grid.paths.results.parents[1]
    monkeypatch.chdir(folder)
    words = shlex.split(command.replace("results/embedded", "results/small"))
    assert main([*words, "--resources", "resources", "--cards", "config", "--processes", "1"]) == 0
    assert "12 of 12 scores verified" in capsys.readouterr().out
    if "--json" in words:
        assert json.loads((folder / "audit.json").read_text())["verdict"] == "verified"
        assert "12 verified" in (folder / "audit.html").read_text()


def test_a_changed_digit_ends_the_command_with_1(grid, monkeypatch, capsys):
    """And names the score."""
    path = grid.paths.scores(grid.reads.evaluations()[0])
    path.write_text(path.read_text().replace('"n":8', '"n":9', 1))
    monkeypatch.chdir(grid.paths.results.parents[1])
    assert main(["audit", "results/small", "--resources", "resources", "--processes", "1"]) == 1
    assert "its line was changed after it was written" in capsys.readouterr().out
