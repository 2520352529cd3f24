"""``xstilts store``: look after the checkpoints that studies and users share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse

VERBS = {
    "list": "list the entries of the store",
    "verify": "read every entry of the store; set damaged ones aside",
    "push": "copy the study's checkpoints into the store",
    "pull": "copy the checkpoints that the study lacks from the store (a run does so as well)",
    "gc": "remove entries that were not used for long, or the least recently used down to a size",
}


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser, and one for each verb."""
    store = commands.add_parser("store", help="checkpoints that studies and users share")
    verbs = store.add_subparsers(required=True, metavar="VERB", dest="verb")
    for verb, about in VERBS.items():
        parser = verbs.add_parser(verb, help=about)
        options.add_studies(parser, str(options.STUDY))
        parser.add_argument("--store", metavar="PLACE", help="in place of the study's `store`")
        if verb in ("pull", "gc"):
            parser.add_argument("--dry-run", "-n", action="store_true", help="change nothing")
        if verb == "gc":
            parser.add_argument("--max-gb", type=float, metavar="N", help="keep at most N GB")
            parser.add_argument("--older-than-days", type=float, metavar="N")
        parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    from xstilts.store import command
    from xstilts.store.shelf import open_shelf

    grid = None
    place: str | None = args.store
    if place is None or args.verb in ("push", "pull"):
        files = options.study_files(args, [options.STUDY])[0]
        grid = options.open_grid(options.load(files, args), args.cards)
        place = place or grid.study.store
        if place is None:
            raise UsageError(f"{files[0]}: has no `store`; name one with --store")
    shelf = open_shelf(place)
    if args.verb == "list":
        return command.print_list(shelf)
    if args.verb == "verify":
        return command.print_verified(shelf)
    if args.verb == "gc":
        if args.max_gb is None and args.older_than_days is None:
            raise UsageError("store gc: needs --max-gb or --older-than-days")
        return command.print_collected(
            shelf,
            max_bytes=None if args.max_gb is None else round(args.max_gb * 1e9),
            older_than=None if args.older_than_days is None else args.older_than_days * 86400,
            dry=args.dry_run,
        )
    assert grid is not None
    if args.verb == "push":
        return command.print_given(grid, shelf)
    return command.print_taken(grid, shelf, args.dry_run)
