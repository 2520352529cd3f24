"""``xstilts import``: restore or merge the results that archives hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import XstiltsError

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "import",
        "restore or merge the results that archives hold",
        "xstilts import my-study.tar.zst",
    )
    parser.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="default: results"
    )
    options.add_resources(parser, "where encoders, examples and checkpoints are kept")
    parser.add_argument(
        "--prefer",
        metavar="ARCHIVE",
        help="what to believe where results differ: one of the archives, or `here`",
    )
    parser.add_argument(
        "--largest",
        type=float,
        metavar="GIB",
        help="refuse an archive that unpacks to more (default: 32)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import the archives and say what the study has now."""
    from xstilts.archive.archive_file import LARGEST_TOTAL
    from xstilts.archive.restore import import_archives

    largest = LARGEST_TOTAL if args.largest is None else int(args.largest * 2**30)
    prefer = None if args.prefer is None else str(args.prefer)
    done = import_archives(args.archives, args.results, args.resources, prefer, largest)
    print(f"{done.folder}: {done.scores:,} scores, {done.new:,} of them new")
    for study in done.studies:
        print(f"{study}: study file and cards of the archive")
    for archive, snapshot in zip(args.archives, done.snapshots, strict=True):
        print(f"{archive}: {_version(snapshot)}")
    return 0


def _version(snapshot: Path) -> str:
    """Whether the code and the environment here would compute the scores of an archive so."""
    from xstilts.grid.snapshot import load_snapshot
    from xstilts.grid.versions import NAME, not_as_now
    from xstilts.provenance.digests import file_sha256

    try:
        then = load_snapshot(snapshot)
    except XstiltsError as error:
        return f"of another version of the code, which read the study otherwise ({error})"
    lock = Path("envs/lock.txt")
    differ = not_as_now(then, file_sha256(lock) if lock.is_file() else then.environment)
    if not differ:
        return "of the version of the code that is here"
    return (
        f"{len(differ):,} of {len(then.reads.evaluations()):,} evaluations are of another version "
        f"of the code or the environment (snapshot {snapshot.stem[:NAME]}); a run computes them "
        "again, unless the study has `other_versions: keep`"
    )
