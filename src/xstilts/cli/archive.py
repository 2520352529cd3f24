"""``xstilts archive``: pack a study's results into one file for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "archive",
        "pack study, scores, predictions, stamps and report into one file for others",
        "xstilts archive my.yaml --output my-study.tar.zst",
    )
    options.add_study(parser)
    parser.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        help="the archive (default: <results>/<study>/<study>.tar.zst)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the archive of what is done; say how much of the study it is."""
    from xstilts.archive.contents import pack, path_of_archive
    from xstilts.runtime.format import format_bytes

    grid = options.open_grid(options.load(options.one_study(args), args), args.cards)
    target = args.output or path_of_archive(grid)
    packed, of = pack(grid, args.cards.parent, target)
    size = format_bytes(target.stat().st_size)
    print(f"{target}: {packed:,} of {of:,} scores, {size}")
    return 0
