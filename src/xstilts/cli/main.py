"""The command ``xstilts``: check, plan and watch studies, export checkpoints, score predictions.

Snakemake runs a study: ``snakemake --configfile STUDY.yaml``.

Exit status: 0; 1 where something cannot be done, with one line on stderr for each problem; 2 where
the command was called wrongly.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from xstilts import __version__
from xstilts.cli import (
    archive,
    audit,
    cards,
    claims,
    export,
    forget,
    gc,
    import_archive,
    invalidate,
    options,
    plan,
    power,
    report,
    results,
    schema,
    score,
    status,
    validate,
)
from xstilts.errors import UsageError, XstiltsError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBCOMMANDS = (
    cards,
    validate,
    power,
    plan,
    status,
    report,
    results,
    claims,
    audit,
    archive,
    import_archive,
    export,
    score,
    invalidate,
    forget,
    gc,
    schema,
)
"""Modules with ``add(commands)``, in the order of the help. Each adds a parser whose default
``run`` takes the parsed arguments and returns the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status; print each expected error as one line."""
    args = _parser().parse_args(argv)
    try:
        exit_status: int = args.run(args)
    except XstiltsError as error:
        options.print_error(error)
        return 2 if isinstance(error, UsageError) else 1
    return exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xstilts", description=__doc__.partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"xstilts {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for subcommand in SUBCOMMANDS:
        subcommand.add(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
