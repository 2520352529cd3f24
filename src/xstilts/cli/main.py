"""The command ``xstilts``: check and plan studies, look at them, share checkpoints, score.

Running a study is Snakemake's: ``snakemake --configfile STUDY.yaml``. Nothing heavy is imported
before a subcommand needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.cli import score
from xstilts.errors import XstiltsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.config.resolve import ResolvedStudy
    from xstilts.grid.artefacts import Grid
from xstilts.config.schema import study_schema


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; an expected error is one line a problem on stderr, and status 1."""
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except XstiltsError as error:
        return _refused(error)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xstilts", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    validate = commands.add_parser("validate", help="check study files; run nothing")
    validate.add_argument(
        "studies", nargs="*", type=Path, metavar="STUDY.yaml", help="default: all of config/"
    )
    _add_cards(validate)
    validate.set_defaults(run=_validate)

    schema = commands.add_parser("schema", help="print the JSON schema of study files")
    _add_cards(schema)
    schema.set_defaults(run=_schema)

    forget = commands.add_parser(
        "forget", help="take cells out of a file of cells: the next run computes them again"
    )
    forget.add_argument("cells", type=Path, metavar="CELLS.jsonl")
    forget.add_argument("languages", nargs="+", metavar="LANGUAGE")
    forget.set_defaults(run=_forget)

    exporting = commands.add_parser("export", help="write a checkpoint as a Hugging Face folder")
    exporting.add_argument("stamp", type=Path, metavar="STAMP", help="a checkpoint's stamp.json")
    exporting.add_argument("folder", type=Path, metavar="FOLDER", help="folder to be made")
    exporting.add_argument("--head", metavar="TASK", help="with the head of this task")
    exporting.add_argument(
        "--encoder",
        type=Path,
        metavar="STAMP",
        help="stamp of the encoder (default: resources/encoders/<encoder>/stamp.json)",
    )
    _add_cards(exporting)
    exporting.set_defaults(run=_export)

    status = commands.add_parser("status", help="what of a grid is there, running or failed")
    _add_study(status)
    status.add_argument("--json", action="store_true", help="for programs")
    status.add_argument(
        "--watch", nargs="?", type=float, const=5.0, metavar="SECONDS", help="again and again"
    )
    status.set_defaults(run=_status)

    plan = commands.add_parser("plan", help="what studies cost, before anything is run")
    plan.add_argument(
        "studies", nargs="*", type=Path, metavar="STUDY.yaml", help="default: config/config.yaml"
    )
    plan.add_argument("--gpus", type=int, default=1, metavar="N", help="devices at once (1)")
    plan.add_argument("--device", metavar="NAME", help="a row of config/costs/devices.tsv")
    plan.add_argument("--no-count", action="store_true", help="do not tokenise prepared examples")
    plan.add_argument("--compare", action="store_true", help="what a run planned, and what it took")
    plan.add_argument("--json", action="store_true", help="for programs")
    _add_cards(plan)
    plan.set_defaults(run=_plan)

    _add_store(commands)
    score.add(commands)
    return parser


def _add_cards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cards",
        type=Path,
        default=Path("config"),
        metavar="FOLDER",
        help="folder with tasks/, encoders/ and languages.tsv (default: config)",
    )


def _add_study(parser: argparse.ArgumentParser) -> None:
    default = Path("config/config.yaml")
    parser.add_argument(
        "study", nargs="?", type=Path, default=default, metavar="STUDY.yaml", help=str(default)
    )
    _add_cards(parser)


def _open_grid(study: Path, cards: Path) -> Grid:
    """The grid of a study file, as Snakemake would lay it out from the folder of the project."""
    from xstilts.config.yaml_models import read_yaml
    from xstilts.grid.artefacts import open_grid

    return open_grid(read_yaml(study), str(study), cards, cards.parent / "envs" / "lock.txt")


def _refused(error: XstiltsError) -> int:
    for line in str(error).splitlines():
        print(f"xstilts: {line}", file=sys.stderr)
    return 1


def _validate(args: argparse.Namespace) -> int:
    from xstilts.config.catalogue import Catalogue
    from xstilts.config.resolve import resolve
    from xstilts.config.yaml_models import read_yaml
    from xstilts.tasks.registry import SCHEMAS

    status, cards = 0, Catalogue(args.cards, SCHEMAS)
    for path in args.studies or sorted(args.cards.glob("*.yaml")):
        try:
            resolved = resolve(read_yaml(path), str(path), cards)
        except XstiltsError as error:
            status = _refused(error)
        else:
            print(f"{path}: ok, {_count(resolved)}")
    return status


def _count(resolved: ResolvedStudy) -> str:
    conditions = len(resolved.conditions)
    trainings = conditions * len(resolved.recipes()) + conditions - 1  # none has no first stage
    trainings *= len(resolved.study.encoders) * len(resolved.study.seeds)
    return f"{len(resolved.cells()):,} cells from {trainings:,} trainings"


def _forget(args: argparse.Namespace) -> int:
    from xstilts.evaluation import scores

    scores.forget(args.cells, args.languages)
    return 0


def _export(args: argparse.Namespace) -> int:
    from xstilts.config.catalogue import Catalogue
    from xstilts.models.export import Head, export
    from xstilts.tasks.registry import SCHEMAS

    head = None
    if args.head:
        cards = Catalogue(args.cards, SCHEMAS)
        card = cards.task(args.head)
        head = Head(card.task, cards.schema(card.task), tuple(card.label_list))
    # results/<study>/checkpoints/<encoder>/<condition>/seed<k>/<stage>/stamp.json
    place = args.stamp.absolute().parents
    encoder = Path("resources/encoders") / (place[3].name if len(place) > 3 else "")
    export(args.stamp, args.encoder or encoder / "stamp.json", args.folder, head)
    print(f"{args.folder}: written")
    return 0


def _schema(args: argparse.Namespace) -> int:
    from xstilts.config.catalogue import Catalogue
    from xstilts.tasks.registry import SCHEMAS

    print(json.dumps(study_schema(Catalogue(args.cards, SCHEMAS)), indent=2, ensure_ascii=False))
    return 0


def _plan(args: argparse.Namespace) -> int:
    from xstilts.cost import show

    return show.show(
        [_open_grid(study, args.cards) for study in args.studies or [Path("config/config.yaml")]],
        args.cards / "costs",
        devices=max(1, args.gpus),
        device=args.device,
        count=not args.no_count,
        json_=args.json,
        compared=args.compare,
    )


def _status(args: argparse.Namespace) -> int:
    from xstilts.status import show

    return show.show(_open_grid(args.study, args.cards), as_json=args.json, watch=args.watch)


def _add_store(commands: Any) -> None:
    about = {
        "list": "what is in the store",
        "verify": "read everything in the store; set aside what is damaged",
        "push": "put the study's checkpoints into the store",
        "pull": "take from the store what the study is missing (every run does it by itself)",
        "gc": "remove what was not used for long, or the least recently used down to a size",
    }
    store = commands.add_parser("store", help="checkpoints that studies and users share")
    verbs = store.add_subparsers(required=True, metavar="VERB", dest="verb")
    for verb, what in about.items():
        parser = verbs.add_parser(verb, help=what)
        _add_study(parser)
        parser.add_argument("--store", metavar="PLACE", help="in place of the study's `store`")
        if verb in ("pull", "gc"):
            parser.add_argument("--dry-run", "-n", action="store_true", help="only say what")
        if verb == "gc":
            parser.add_argument("--max-gb", type=float, metavar="N", help="keep at most N GB")
            parser.add_argument("--older-than-days", type=float, metavar="N")
        parser.set_defaults(run=_store)


def _store(args: argparse.Namespace) -> int:
    from xstilts.errors import StudyError
    from xstilts.store import command
    from xstilts.store.shelf import open_shelf

    grid = None
    place: str | None = args.store
    if place is None or args.verb in ("push", "pull"):
        grid = _open_grid(args.study, args.cards)
        place = place or grid.study.store
    if place is None:
        raise StudyError(f"{args.study}: has no `store`; name one with --store")
    shelf = open_shelf(place)
    if args.verb == "list":
        return command.print_list(shelf)
    if args.verb == "verify":
        return command.print_verified(shelf)
    if args.verb == "gc":
        if args.max_gb is None and args.older_than_days is None:
            raise StudyError("store gc: needs --max-gb or --older-than-days")
        return command.print_collected(
            shelf,
            max_bytes=None if args.max_gb is None else round(args.max_gb * 1e9),
            older_than=None if args.older_than_days is None else args.older_than_days * 86400,
            dry=args.dry_run,
        )
    assert grid is not None
    if args.verb == "push":
        return command.print_given(grid, shelf)
    return command.print_taken(grid, shelf, args.dry_run)


if __name__ == "__main__":
    raise SystemExit(main())
