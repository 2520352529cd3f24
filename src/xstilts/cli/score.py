"""``xstilts score``: score a folder of predictions in XTREME's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "score",
        "score a folder of predictions",
        "xstilts score labels predictions --task xquad",
    )
    parser.add_argument("labels", type=Path, help="folder with <task>/test-<language>.*")
    parser.add_argument("predictions", type=Path, help="folder with the same file names")
    parser.add_argument("--benchmark", default="xtreme", help="xtreme (default) or xtreme-r")
    parser.add_argument("--task", help="score this task only")
    parser.add_argument("--language", help="score this language only")
    parser.add_argument("--json", action="store_true", help="print JSON with every digit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the scores; raises `ScoreError`."""
    from xstilts.analysis.score_submission import as_text, score_submission

    results = score_submission(
        args.labels, args.predictions, args.benchmark, args.task, args.language
    )
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        by_language = bool(args.task or args.language)
        print(as_text(results, args.benchmark, by_language=by_language))
    return 0
