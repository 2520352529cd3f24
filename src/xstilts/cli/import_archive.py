"""``xstilts import``: restore or merge the results that archives hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from xstilts.cli.options import Commands


def add(commands: Commands) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("import", help="restore or merge the results that archives hold")
    parser.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="default: results"
    )
    parser.add_argument(
        "--resources",
        type=Path,
        default=Path("resources"),
        metavar="FOLDER",
        help="default: resources",
    )
    parser.add_argument(
        "--prefer",
        metavar="ARCHIVE",
        help="what to believe where results differ: one of the archives, or `here`",
    )
    parser.add_argument(
        "--largest",
        type=float,
        metavar="GIB",
        help="refuse an archive that unpacks to more (default: 32)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import the archives and say what the study has now."""
    from xstilts.archive.archive_file import LARGEST_TOTAL
    from xstilts.archive.restore import import_archives

    largest = LARGEST_TOTAL if args.largest is None else int(args.largest * 2**30)
    prefer = None if args.prefer is None else str(args.prefer)
    done = import_archives(args.archives, args.results, args.resources, prefer, largest)
    print(f"{done.folder}: {done.scores:,} scores, {done.new:,} of them new")
    for study in done.studies:
        print(f"{study}: study file and cards of the archive")
    return 0
