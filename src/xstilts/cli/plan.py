"""``xstilts plan``: what studies cost, before anything is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands, "plan", "estimate what studies cost; run nothing", "xstilts plan my.yaml --gpus 8"
    )
    options.add_studies(parser, str(options.STUDY))
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="GPUs at once (1)")
    parser.add_argument("--device", metavar="NAME", help="a row of config/costs/devices.tsv")
    parser.add_argument(
        "--no-count", action="store_true", help="do not tokenise examples to count their tokens"
    )
    parser.add_argument(
        "--compare", action="store_true", help="compare the plan of a run with what it took"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each study")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan of each study."""
    from xstilts.cost import show

    studies = [options.load(files, args) for files in options.study_files(args, [options.STUDY])]
    return show.show(
        [options.open_grid(study, args.cards) for study in studies],
        args.cards / "costs",
        devices=max(1, args.gpus),
        device=args.device,
        count=not args.no_count,
        json_=args.json,
        compared=args.compare,
    )
