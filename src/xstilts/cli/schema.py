"""``xstilts schema``: print the JSON schema of study files or claims files, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("schema", help="print the JSON schema of study files")
    parser.add_argument("--claims", action="store_true", help="that of claims files instead")
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the schema, with the names of the cards."""
    from xstilts.config.schema import claims_schema, study_schema

    schema = claims_schema if args.claims else study_schema
    print(json.dumps(schema(options.open_cards(args.cards)), indent=2, ensure_ascii=False))
    return 0
