"""``xstilts status``."""

from __future__ import annotations

import json

import yaml

from xstilts.cli.main import main


def test_several_files_are_one_study(world, capsys):
    """`--configfile` merges as `snakemake --configfile` merges."""
    (world.folder / "envs").mkdir()
    (world.folder / "envs" / "lock.txt").write_text("torch==2.13.0\n")
    first, second = world.folder / "first.yaml", world.folder / "second.yaml"
    first.write_text(yaml.safe_dump(world.study))
    second.write_text(yaml.safe_dump({"study": "other", "results": str(world.folder / "results")}))
    files = ["--configfile", str(first), str(second)]
    assert main(["status", *files, "--cards", str(world.config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "other"
