"""``xstilts status``: which trainings and scores of a study are done, running, stale or failed."""

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
        "status",
        "show what of a study is done, running or failed",
        "xstilts status my.yaml --watch",
    )
    parser.add_argument(
        "study", nargs="?", type=Path, metavar="STUDY.yaml", help=f"default: {options.STUDY}"
    )
    options.add_study_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=5.0,
        metavar="SECONDS",
        help="look again every 5 seconds (or SECONDS), until interrupted",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the state of the study; return 1 if a job has failed."""
    from xstilts.status import show

    files = args.configfile or [args.study or options.STUDY]
    grid = options.open_grid(options.load(files, args), args.cards)
    return show.show(grid, as_json=args.json, watch=args.watch)
