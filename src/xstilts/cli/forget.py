"""``xstilts forget``: delete raw files and their recorded checksums, to download them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "forget",
        "delete raw files and their recorded checksums, to download them again",
        "xstilts forget xquad/xquad.de.json",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="as in resources/raw/lock.tsv")
    options.add_resources(parser, "the study's resources:")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Forget the files; raises `UsageError` for a path that is neither a file nor recorded."""
    from xstilts.data.checksums import LOCK, downloads, forget

    raw = args.resources / "raw"
    recorded = {download.path for download in downloads(raw / LOCK)}
    for path in args.paths:
        known = path in recorded or (
            (raw / path).resolve().is_relative_to(raw.resolve()) and (raw / path).is_file()
        )
        if not known:
            raise UsageError(f"{path}: neither a file of {raw} nor in {raw / LOCK}")
    for path in args.paths:
        forget(raw, path)
        print(f"{path}: forgotten; the next run downloads it again")
    return 0
