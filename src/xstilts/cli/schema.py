"""``xstilts schema``: print the JSON schema of studies, claims files or task cards, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands, "schema", "print the JSON schema of study files", "xstilts schema > study.json"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--claims", action="store_true", help="that of claims files instead")
    other.add_argument("--tasks", action="store_true", help="that of task cards instead")
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the schema, with the names of the cards or of the readers."""
    from xstilts.config.schema import claims_schema, study_schema, task_schema
    from xstilts.data.reading import options_of, readers
    from xstilts.tasks.registry import SCHEMAS

    if args.tasks:
        own = {reader: options_of(reader).model_json_schema() for reader in readers()}
        schema = task_schema(SCHEMAS, own)
    else:
        cards = options.open_cards(args.cards)
        schema = claims_schema(cards) if args.claims else study_schema(cards)
    print(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0
