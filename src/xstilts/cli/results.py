"""``xstilts results``: the scores of a study as a tidy table, finished or not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from xstilts.grid.artefacts import Grid

FORMATS = ("csv", "json", "parquet")


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "results",
        "write the scores of a study as csv, json or parquet, finished or not",
        "xstilts results my.yaml --output scores.csv",
    )
    options.add_study(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"a file that ends in {', '.join(f'.{name}' for name in FORMATS)}; "
        "without it csv is printed",
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("mteb", "euroeval"),
        help="write a new folder of MTEB's results, or a file of EuroEval's records",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the table; say on stderr how many scores are missing."""
    if args.form and args.output is None:
        raise UsageError(f"--as {args.form}: name what to write with --output")
    if args.form == "mteb" and args.output.exists():
        raise UsageError(f"{args.output}: exists; name a folder that is to be made")
    if args.form is None and args.output and args.output.suffix[1:] not in FORMATS:
        raise UsageError(
            f"--output: {args.output.name} ends in none of {', '.join(f'.{n}' for n in FORMATS)}"
        )
    grid = options.open_grid(options.load(options.one_study(args), args), args.cards)
    from xstilts.analysis.table import collect_done

    found = collect_done(grid)
    missing = sum(len(each.languages) for each in found.missing)
    if missing:
        print(f"{missing:,} scores of {grid.study.study} are missing", file=sys.stderr)
    if args.form is not None:
        write_as(args.form, grid, found.rows, args.output)
    elif args.output is None:
        found.rows.to_csv(sys.stdout, index=False)
    else:
        write(found.rows, args.output)
    return 0


def write_as(form: str, grid: Grid, rows: pd.DataFrame, output: Path) -> None:
    """Write the scores in the format of another tool (`xstilts.analysis.other_formats`)."""
    from xstilts.analysis.other_formats import euroeval_lines, mteb_files
    from xstilts.provenance.files import write_json, write_text

    if form == "euroeval":
        write_text(output, "".join(f"{json.dumps(line)}\n" for line in euroeval_lines(rows)))
        return
    revisions = {target: grid.examples(target, "test").digest for target in grid.study.targets}
    for path, value in mteb_files(rows, revisions):
        write_json(output / path, value)


def write(rows: pd.DataFrame, path: Path) -> None:
    """Write the table in the format that the file's name ends in, atomically."""
    from xstilts.provenance.files import write_atomically

    with write_atomically(path) as temporary:
        match path.suffix[1:]:
            case "csv":
                rows.to_csv(temporary, index=False)
            case "json":
                rows.to_json(temporary, orient="records", indent=2, force_ascii=False)
            case _:
                rows.to_parquet(temporary, index=False)
