"""``xstilts claims``: judge the claims of a study by the scores that exist."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "claims",
        "judge the claims of a study by the scores that exist, finished or not",
        "xstilts claims my.yaml",
    )
    options.add_study(parser)
    parser.add_argument("--json", action="store_true", help="print JSON with every number")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a verdict for each claim."""
    files = options.one_study(args)
    grid = options.open_grid(options.load(files, args), args.cards)
    from xstilts.analysis.claims import show
    from xstilts.analysis.claims.evaluate import evaluate_claims
    from xstilts.analysis.claims.files import as_json
    from xstilts.analysis.table import collect_done

    # the default study needs no name
    study_files = [] if files == [options.STUDY] else [str(path) for path in files]
    results = evaluate_claims(grid, collect_done(grid).rows, study_files)
    if args.json:
        print(json.dumps(as_json(results), indent=2, ensure_ascii=False, allow_nan=False))
    elif results:
        show.show(show.rows_of(results))
    else:
        print(f"{grid.study.study}: there are no claims; docs/claims.md says how to write some")
    return 0
