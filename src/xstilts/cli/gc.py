"""``xstilts gc``: remove shared artefacts that no study needs any more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "gc",
        "remove encoders, examples and checkpoints that no study needs any more",
        "xstilts gc results --dry-run",
    )
    parser.add_argument(
        "results",
        nargs="*",
        type=Path,
        metavar="RESULTS",
        help="every results folder whose studies share the resources (default: ./results)",
    )
    parser.add_argument(
        "--resources", type=Path, metavar="FOLDER", help="default: the one that the studies name"
    )
    parser.add_argument("--dry-run", "-n", action="store_true", help="list them; remove nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every artefact that no study needs, and remove it unless this is a dry run."""
    from xstilts.grid.collect import studies_in, unneeded
    from xstilts.runtime.format import format_bytes

    snapshots = studies_in(args.results or [Path("results")])
    artefacts = unneeded(snapshots, args.resources)
    for artefact in artefacts:
        print(
            f"{'would remove' if args.dry_run else 'removing'} {artefact.folder} "
            f"({format_bytes(artefact.size)})"
        )
        if not args.dry_run:
            shutil.rmtree(artefact.folder)
    total = format_bytes(sum(artefact.size for artefact in artefacts))
    verb = "would be freed" if args.dry_run else "freed"
    print(f"{len(artefacts)} artefacts, {total} {verb}; {len(snapshots)} snapshots of studies read")
    return 0
