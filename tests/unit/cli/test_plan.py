"""``xstilts plan`` and ``xstilts status`` open the grid of a study."""

from __future__ import annotations

import json

import pytest
import yaml

from xstilts.cli.main import main


@pytest.fixture
def study(world):
    """The path of the world's study, in a project with a lock file."""
    (world.folder / "envs").mkdir()
    (world.folder / "envs" / "lock.txt").write_text("torch==2.13.0\n")
    path = world.folder / "mine.yaml"
    path.write_text(yaml.safe_dump(world.study | {"results": str(world.folder / "results")}))
    return str(path)


def test_keys_are_set_as_for_snakemake(world, study, capsys):
    """`--config` takes what `snakemake --config` takes."""
    command = ["plan", study, "--cards", str(world.config), "--json", "--no-count"]
    counts = []
    for override in ("seeds=[1]", "seeds=[1,2,3]"):
        assert main([*command, "--config", override]) == 0
        counts.append(len(json.loads(capsys.readouterr().out)["jobs"]))
    assert 0 < counts[0] == counts[1] / 3


@pytest.mark.parametrize("command", ["plan", "status"])
def test_without_a_lock_file_the_environment_is_not_known(command, world, study, capsys):
    """It is a part of the identity of all results."""
    lock = world.folder / "envs" / "lock.txt"
    lock.unlink()
    assert main([command, study, "--cards", str(world.config)]) == 2
    assert capsys.readouterr().err.startswith(
        f"xstilts: {lock}: does not exist; run xstilts in the folder of the project"
    )
