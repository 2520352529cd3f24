"""``xstilts validate``: check studies and claims files against their cards; run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import StudyError, UsageError

if TYPE_CHECKING:
    import argparse

    from xstilts.config.resolve import ResolvedStudy


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "validate",
        "check study and claims files; run nothing",
        "xstilts validate my.yaml",
    )
    options.add_studies(parser, "all studies and claims in the folder of cards")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line for each valid file; return 1 if one of the files has a problem."""
    folder = options.CARDS if args.cards == options.PACKAGED_CARDS else args.cards
    studies = options.study_files(args, sorted(folder.glob("*.yaml")))
    if not studies:
        options.open_cards(args.cards)
        raise UsageError(f"{folder}: holds no study (*.yaml); name the files of studies")
    status = 0
    for files in studies:
        try:
            loaded = options.load(files, args)
            if isinstance(loaded.config.get("claims"), list):
                claims = options.open_cards(args.cards).claims(files[0]).claims
                found = f"{len(claims)} claims"
            else:
                found = size(options.open_study(loaded, args.cards))
        except StudyError as error:
            options.print_error(error)
            status = 1
        else:
            print(f"{loaded.where}: ok, {found}")
    return status


def size(resolved: ResolvedStudy) -> str:
    """How many scores a study asks for, and how many trainings they take."""
    # each condition trains every recipe, most have an intermediate stage as well
    trainings = len(resolved.study.encoders) * sum(
        len(resolved.study.seeds_of(name)) * (len(resolved.recipes()) + bool(condition.tasks))
        for name, condition in resolved.conditions.items()
    )
    return f"{len(resolved.score_keys()):,} scores from {trainings:,} trainings"
