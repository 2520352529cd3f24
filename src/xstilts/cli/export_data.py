"""``xstilts export-data``: write a task's prepared examples for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options, task_data
from xstilts.errors import StudyError, UsageError, unknown

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "export-data",
        "write the examples of a task as a folder that datasets.load_dataset reads",
        "xstilts export-data xquad exported/xquad --languages en sw",
        "Mind the licence of the data before you pass the folder on.",
    )
    parser.add_argument("task", metavar="TASK", help="name of a card")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new folder to write")
    parser.add_argument("--languages", nargs="+", metavar="CODE", help="default: all of the card")
    task_data.add_places(parser)
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write a parquet file for each language and split, a README and ``croissant.json``."""
    from xstilts.archive.dataset_folder import Part, write_descriptions, write_part

    if args.folder.exists() and any(args.folder.iterdir()):
        raise UsageError(f"{args.folder}: is not empty; name a folder that is to be made")
    cards = options.open_cards(args.cards)
    card = cards.task(args.task)
    offered = {code for split in card.splits for code in card.split_languages(split)}
    for code in args.languages or []:
        if code not in offered:
            raise StudyError(f"{card.task}: {unknown('language', code, sorted(offered))}")
    parts: list[Part] = []
    for split in card.splits:
        for language in card.split_languages(split):
            if args.languages is None or language in args.languages:
                rows = task_data.read(args, cards, card.task, split, language)
                schema = cards.schema(card.task)
                parts.append(write_part(args.folder, schema, split, language, rows))
    write_descriptions(args.folder, card, parts)
    total = sum(part.rows for part in parts)
    print(f"{args.folder}: {total:,} examples in {len(parts)} files; licence: {card.licence}")
    return 0
