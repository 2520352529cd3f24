"""``xstilts invalidate``: delete cached scores so that the next run recomputes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "invalidate",
        "delete cached scores so that the next run recomputes them",
        "xstilts invalidate results/my-study/scores/e5-small/none/seed1/xquad.jsonl de",
    )
    parser.add_argument("scores", type=Path, metavar="SCORES.jsonl", help="file of scores")
    parser.add_argument("languages", nargs="+", metavar="LANGUAGE", help="whose scores to delete")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Delete the scores of the languages, and their predictions."""
    from xstilts.evaluation import scores

    if not args.scores.is_file():
        raise UsageError(f"{args.scores}: does not exist; give a file of scores (<target>.jsonl)")
    scores.invalidate(args.scores, args.languages)
    return 0
