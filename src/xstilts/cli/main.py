"""The command ``xstilts``: check, plan and watch studies, export checkpoints, score predictions.

Snakemake runs a study: ``snakemake --configfile STUDY.yaml``.

Exit status: 0; 1 where something cannot be done, with one line on stderr for each problem; 2 where
the command was called wrongly; 3 where an audit lacks something that it needs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shtab

from xstilts import __version__
from xstilts.cli import (
    archive,
    audit,
    card,
    cards,
    claims,
    export,
    export_data,
    forget,
    gc,
    import_archive,
    init,
    invalidate,
    options,
    plan,
    power,
    report,
    results,
    schema,
    score,
    show,
    status,
    validate,
)
from xstilts.errors import UsageError, XstiltsError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBCOMMANDS = (
    init,
    cards,
    card,
    show,
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
    export_data,
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


class _Parser(argparse.ArgumentParser):
    """A parser whose arguments of type `Path` a shell completes with names of files."""

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        action = super().add_argument(*args, **kwargs)
        if kwargs.get("type") is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it
        return action


def _parser() -> argparse.ArgumentParser:
    """The parser of the whole command; those of the subcommands are of its class."""
    parser = _Parser(
        prog="xstilts",
        description="Check, plan and watch studies; judge, pack and audit their results. "
        "Snakemake runs a study: snakemake --configfile STUDY.yaml.",
        epilog="Example: xstilts validate my.yaml",
    )
    parser.add_argument("--version", action="version", version=f"xstilts {__version__}")
    shtab.add_argument_to(
        parser, "--print-completion", help="print a script by which a shell completes the command"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for subcommand in SUBCOMMANDS:
        subcommand.add(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
