"""``xstilts init``: the folder of a new project, with a study to edit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.config.home import HOME
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse

_NEW = Path(__file__).parent / "new_project"


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "init",
        "write a Snakefile, profiles, a study to edit and a README into a new folder",
        "xstilts init my-project",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new or an empty folder")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the files; raises `UsageError` for a folder that holds some already."""
    folder: Path = args.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty; name a new folder")
    (folder / "config").mkdir(parents=True)
    shutil.copyfile(_NEW / "Snakefile", folder / "Snakefile")
    shutil.copyfile(_NEW / "README.md", folder / "README.md")
    shutil.copyfile(_NEW / "config.yaml", folder / "config" / "config.yaml")
    shutil.copyfile(HOME / "envs" / "lock.txt", folder / "lock.txt")
    shutil.copytree(HOME / "profiles", folder / "profiles")
    print(f"{folder}: edit config/config.yaml, then run `snakemake -n` there; README.md says more")
    return 0
