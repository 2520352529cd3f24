"""``xstilts power``: how many seeds and test items a gain of a given size needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from xstilts.analysis.statistics.power import Plan, Spreads
    from xstilts.grid.artefacts import Grid


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "power",
        "say how many seeds and items a gain of a given size needs",
        "xstilts power my.yaml --gain 1",
    )
    parser.add_argument(
        "study",
        nargs="?",
        type=Path,
        metavar="STUDY.yaml",
        help="take languages, targets and conditions from it, and the variances from its scores",
    )
    options.add_study_options(parser)
    declared = parser.add_argument_group("variances, in points (instead of those of a study)")
    declared.add_argument("--run-sd", type=float, metavar="SD", help="between trainings")
    declared.add_argument("--language-sd", type=float, metavar="SD", help="between languages")
    declared.add_argument(
        "--interaction-sd", type=float, metavar="SD", help="of a training in a single language"
    )
    declared.add_argument(
        "--item-sd", type=float, default=0.0, metavar="SD", help="between test items (none)"
    )
    plan = parser.add_argument_group("the planned grid (instead of a study's)")
    plan.add_argument("--languages", type=_positive, metavar="N", help="of a target (20)")
    plan.add_argument("--families", type=_positive, metavar="N", help="of these (as many)")
    plan.add_argument("--targets", type=_positive, metavar="N", help="averaged over (1)")
    plan.add_argument("--seeds", type=_seeds, nargs="+", default=[3, 5, 10], metavar="N")
    plan.add_argument(
        "--baseline-ratio", type=float, default=1.0, metavar="R", help="baseline seeds a seed (1)"
    )
    plan.add_argument("--items", type=_positive, metavar="N", help="test items of a language")
    plan.add_argument(
        "--parallel", action="store_true", help="all languages have the same test items"
    )
    parser.add_argument("--gain", type=float, default=1.0, help="points to find (1)")
    parser.add_argument("--margin", type=float, default=1.0, help="points that are negligible (1)")
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table for each set of variances."""
    from xstilts.analysis.statistics.power_table import as_json, as_text, power_table

    files = args.configfile or ([args.study] if args.study else None)
    grid = options.open_grid(options.load(files, args), args.cards) if files else None
    plan = _plan(args, grid)
    for name, spreads in _spreads(args, grid).items():
        table = power_table(spreads, plan, args.seeds, args.gain, args.margin)
        print(json.dumps({"name": name} | as_json(table)) if args.json else as_text(table, name))
    return 0


def _plan(args: argparse.Namespace, grid: Grid | None) -> Plan:
    from xstilts.analysis.statistics.power import Plan
    from xstilts.analysis.statistics.power_of_grid import size_of

    languages, families, targets = size_of(grid) if grid else (20, None, 1)
    seeds = args.seeds[0]
    return Plan(
        languages=args.languages or languages,
        targets=args.targets or targets,
        seeds=seeds,
        baseline_seeds=max(2, round(seeds * args.baseline_ratio)),
        families=args.families or (None if args.languages else families),
        items=args.items,
        parallel=args.parallel,
    )


def _spreads(args: argparse.Namespace, grid: Grid | None) -> dict[str, Spreads]:
    from xstilts.analysis.statistics import power
    from xstilts.analysis.statistics.power_of_grid import spreads_of

    given = (args.run_sd, args.language_sd, args.interaction_sd)
    if all(value is not None for value in given):
        return {"declared": power.Spreads(*given, item=args.item_sd)}
    if any(value is not None for value in given):
        raise UsageError("--run-sd, --language-sd and --interaction-sd belong together: give all")
    if grid and grid.paths.table.is_file():
        return spreads_of(grid)
    return {"quiet": power.QUIET, "medium": power.MEDIUM, "noisy": power.NOISY}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seeds(text: str) -> int:
    number = int(text)
    if number < 2:
        raise ValueError(text)
    return number
