"""``xstilts audit``: check a results folder from the raw files to the report."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from xstilts.audit.audit import Progress
    from xstilts.audit.reexecution import Reexecution

NOTHING_ALTERED = 3
"""Exit status where nothing contradicts the records, but something that the check needs is gone."""


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "audit",
        "check a results folder from the raw files to the report",
        "xstilts audit results/my-study",
        details="Exit status: 0 if all is verified, 1 if something was altered, 3 if nothing "
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
    parser.add_argument(
        "--reexecute",
        type=int,
        metavar="K",
        help="compute K scores again from the raw files, drawn at random, and compare them",
    )
    parser.add_argument(
        "--draw-seed", type=int, metavar="N", help="draw the scores of an earlier audit again"
    )
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
    from xstilts.audit.reexecution import with_reexecution
    from xstilts.audit.verdict import Verdict
    from xstilts.provenance.files import write_text

    @contextmanager
    def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    computes_again = _drawn(args)
    with progress_bar("auditing") as progress:
        report = audit(
            args.results,
            resources=args.resources,
            cards=args.cards,
            weights=args.weights,
            processes=args.processes or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    if computes_again:
        with progress_bar("computing again") as progress:
            report = with_reexecution(report, computes_again(progress))
    Console(soft_wrap=True).print(show.render(report))
    if args.json:
        write_text(args.json, json.dumps(show.as_json(report), ensure_ascii=False) + "\n")
    if args.html:
        write_text(args.html, show.as_html(report))
    exits = {Verdict.VERIFIED: 0, Verdict.ALTERED: 1, Verdict.UNVERIFIABLE: NOTHING_ALTERED}
    return exits[report.verdict]


def _drawn(args: argparse.Namespace) -> Callable[[Progress], Reexecution] | None:
    """What computes the drawn scores again; None if none are asked for.

    Raises `UsageError` for options that make no sense, and `LineageError` where the code on disk
    could not compute the scores: before the audit, which may take minutes.
    """
    if args.reexecute is None:
        if args.draw_seed is not None:
            raise UsageError("--draw-seed: draws the scores of --reexecute, which is not given")
        return None
    if args.reexecute < 1:
        raise UsageError(f"--reexecute {args.reexecute}: must be at least 1")

    from xstilts.audit.audit import open_results
    from xstilts.audit.reexecution import Reexecution, draw
    from xstilts.workflow.reexecution import check_code, reexecute

    snapshot, grid = open_results(args.results, args.resources)
    # a draw that a forger can foresee proves nothing
    draw_seed = secrets.randbits(32) if args.draw_seed is None else args.draw_seed
    drawn, of = draw(grid, args.reexecute, draw_seed)
    check_code(grid, drawn)
    return lambda progress: Reexecution(
        draw_seed, of, reexecute(snapshot, grid, drawn, cards=args.cards, progress=progress)
    )
