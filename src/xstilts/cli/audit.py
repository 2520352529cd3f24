"""``xstilts audit``: check a results folder from the raw files to the report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from xstilts.cli.options import Commands

NOTHING_ALTERED = 3
"""Exit status where nothing contradicts the records, but something that the check needs is gone."""


def add(commands: Commands) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser(
        "audit",
        help="check a results folder from the raw files to the report",
        description="Exit status: 0 if all is verified, 1 if something was altered, 3 if nothing "
        "was altered but something that the check needs is missing.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results/<study>")
    parser.add_argument(
        "--resources", type=Path, metavar="FOLDER", help="default: the one that the study names"
    )
    parser.add_argument(
        "--cards",
        type=Path,
        metavar="FOLDER",
        help="folder with downloads.tsv, in a project with envs/lock.txt; default: the study's",
    )
    parser.add_argument("--weights", action="store_true", help="hash weights as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write all findings as a page")
    parser.add_argument(
        "--processes", type=int, metavar="N", help="default: the CPUs that this process may use"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit, print the summary, write JSON and HTML."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import Progress

    from xstilts.audit import show
    from xstilts.audit.audit import audit
    from xstilts.audit.verdict import Verdict
    from xstilts.provenance.files import write_text

    @contextmanager
    def progress_bar() -> Iterator[Callable[[int, int], None]]:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("auditing", total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    with progress_bar() as progress:
        report = audit(
            args.results,
            resources=args.resources,
            cards=args.cards,
            weights=args.weights,
            processes=args.processes or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    Console(soft_wrap=True).print(show.render(report))
    if args.json:
        write_text(args.json, json.dumps(show.as_json(report), ensure_ascii=False) + "\n")
    if args.html:
        write_text(args.html, show.as_html(report))
    exits = {Verdict.VERIFIED: 0, Verdict.ALTERED: 1, Verdict.UNVERIFIABLE: NOTHING_ALTERED}
    return exits[report.verdict]
