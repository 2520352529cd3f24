"""``xstilts status``."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from xstilts.cli.main import main
from xstilts.runtime.job_state import state_file

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")
"""What tells a terminal to colour the text after it."""


@pytest.fixture(autouse=True)
def locked(world):
    """The lock file of the project, beside its cards."""
    (world.folder / "envs").mkdir()
    (world.folder / "envs" / "lock.txt").write_text("torch==2.13.0\n")


def test_no_color_turns_colours_off(world, monkeypatch, capsys):
    """Also where a terminal, or FORCE_COLOR, would bring them."""
    study, results = world.folder / "study.yaml", world.folder / "results"
    study.write_text(yaml.safe_dump(world.study | {"results": str(results)}))
    state = state_file(results / world.study["study"] / "logs/evaluate/tiny/none/seed1/xqa.log")
    state.parent.mkdir(parents=True)
    state.write_text(
        '{"state": "failed", "reason": "disk full", "started": "t", "host": "here", "pid": 1}'
    )
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["status", str(study), "--cards", str(world.config)])
    assert COLOUR.search(capsys.readouterr().out)
    monkeypatch.setenv("NO_COLOR", "1")
    main(["status", str(study), "--cards", str(world.config)])
    assert not COLOUR.search(capsys.readouterr().out)


def test_several_files_are_one_study(world, capsys):
    """`--configfile` merges as `snakemake --configfile` merges."""
    first, second = world.folder / "first.yaml", world.folder / "second.yaml"
    first.write_text(yaml.safe_dump(world.study))
    second.write_text(yaml.safe_dump({"study": "other", "results": str(world.folder / "results")}))
    files = ["--configfile", str(first), str(second)]
    assert main(["status", *files, "--cards", str(world.config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "other"
