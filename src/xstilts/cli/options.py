"""What subcommands share: options, opening of studies, cards and grids, printing of errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.home import HOME
from xstilts.config.study_file import load_study, parse_overrides
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from xstilts.config.catalogue import Catalogue
    from xstilts.config.resolve import ResolvedStudy
    from xstilts.config.study_file import LoadedStudy
    from xstilts.errors import XstiltsError
    from xstilts.grid.artefacts import Grid

Commands = Any
"""What `argparse.ArgumentParser.add_subparsers` returns; argparse gives its type no public name."""
CARDS = Path("config")
PACKAGED_CARDS = HOME / "config"
"""The cards that are read where the folder that a command runs in has none."""
STUDY = Path("config/config.yaml")


def add_command(
    commands: Commands, name: str, about: str, example: str, details: str = ""
) -> argparse.ArgumentParser:
    """The parser of a subcommand.

    ``about``: what it does, for the list of commands and its own help. ``example``: a call of it.
    """
    description = f"{about[0].upper()}{about[1:]}. {details}".rstrip()
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=description, epilog=f"Example: {example}"
    )
    return parser


def add_cards(parser: argparse.ArgumentParser) -> None:
    """The option ``--cards``."""
    parser.add_argument(
        "--cards",
        type=Path,
        default=CARDS if (CARDS / "tasks").is_dir() else PACKAGED_CARDS,
        metavar="FOLDER",
        help=f"folder with tasks/, encoders/ and languages.tsv (default: ./{CARDS}, or else those "
        "of the package)",
    )


def add_resources(parser: argparse.ArgumentParser, what: str) -> None:
    """The option ``--resources`` of a command that reads no study; ``what`` the folder is."""
    parser.add_argument(
        "--resources",
        type=Path,
        default=Path("resources"),
        metavar="FOLDER",
        help=f"{what} (default: ./resources)",
    )


def add_studies(parser: argparse.ArgumentParser, default: str) -> None:
    """Arguments for any number of studies, and the options of `add_study_options`."""
    parser.add_argument(
        "studies", nargs="*", type=Path, metavar="STUDY.yaml", help=f"default: {default}"
    )
    add_study_options(parser)


def add_study(parser: argparse.ArgumentParser) -> None:
    """The argument for one study, and the options of `add_study_options`."""
    parser.add_argument(
        "study", nargs="?", type=Path, metavar="STUDY.yaml", help=f"default: {STUDY}"
    )
    add_study_options(parser)


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """``--configfile``, ``--config`` and ``--cards``."""
    parser.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="one study in several files, merged as `snakemake --configfile` merges them",
    )
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="set keys of the study, as `snakemake --config` does",
    )
    add_cards(parser)


def study_files(args: argparse.Namespace, default: Sequence[Path]) -> list[list[Path]]:
    """The files of each study that the arguments name."""
    merged = [args.configfile] if args.configfile else []
    return [*([path] for path in args.studies), *merged] or [[path] for path in default]


def one_study(args: argparse.Namespace) -> list[Path]:
    """The files of the study that the arguments of `add_study` name."""
    files: list[Path] = args.configfile or [args.study or STUDY]
    return files


def load(files: Sequence[Path], args: argparse.Namespace) -> LoadedStudy:
    """Read a study and set the keys that ``--config`` names."""
    return load_study(files, parse_overrides(args.config))


def open_study(loaded: LoadedStudy, cards: Path) -> ResolvedStudy:
    """Check a study against its cards; raises `StudyError` with a line for each problem."""
    from xstilts.config.resolve import resolve

    return resolve(loaded.config, loaded.where, _catalogue_for(loaded, cards))


def open_grid(loaded: LoadedStudy, cards: Path) -> Grid:
    """The grid of a study, as Snakemake builds it in the folder of the project."""
    from xstilts.grid import opening

    _catalogue_for(loaded, cards)
    lock = cards.parent / "envs" / "lock.txt"
    if not lock.is_file():
        raise UsageError(
            f"{lock}: does not exist; run xstilts in the folder of the project, or give the "
            f"project's folder of cards with --cards (default: ./{CARDS})"
        )
    return opening.open_grid(loaded.config, loaded.where, cards, lock)


def open_cards(folder: Path) -> Catalogue:
    """The cards of a folder; raises `UsageError` if it holds none."""
    from xstilts.config.catalogue import Catalogue
    from xstilts.data.reading import source_problems
    from xstilts.tasks.registry import SCHEMAS

    cards = Catalogue(folder, SCHEMAS, source_problems)
    if missing := cards.missing_parts():
        raise UsageError(
            f"no cards in {folder.absolute()}: it has no {', '.join(missing)}; name a folder of "
            "cards with --cards, or leave the option out to use the cards of the package"
        )
    return cards


def _catalogue_for(loaded: LoadedStudy, folder: Path) -> Catalogue:
    """The cards of a folder, which may lack them only if the study names a folder of its own."""
    from xstilts.config.catalogue import Catalogue
    from xstilts.data.reading import source_problems
    from xstilts.tasks.registry import SCHEMAS

    if not loaded.config.get("cards"):
        return open_cards(folder)
    return Catalogue(folder, SCHEMAS, source_problems)


def print_error(error: XstiltsError) -> None:
    """Print an error on stderr, each of its lines after the name of the command."""
    for line in str(error).splitlines():
        print(f"xstilts: {line}", file=sys.stderr)
