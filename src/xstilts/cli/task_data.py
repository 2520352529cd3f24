"""The examples of a task's card, for commands that need no study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options

if TYPE_CHECKING:
    import argparse

    from xstilts.config.catalogue import Catalogue
    from xstilts.data.examples import Example


def add_places(parser: argparse.ArgumentParser) -> None:
    """``--resources`` and ``--mirror``: where raw files are kept and looked for."""
    options.add_resources(parser, "where raw files are kept")
    parser.add_argument(
        "--mirror", type=Path, metavar="FOLDER", help="folder of raw files that is tried first"
    )


def read(
    args: argparse.Namespace, cards: Catalogue, task: str, split: str, language: str
) -> list[Example]:
    """Fetch, read and check the examples of a split in a language, as a job of a study does.

    Raises `StudyError` for a split or language that the card lacks, and `DataError`.
    """
    from xstilts.data.checksums import read_checksums
    from xstilts.data.prepare import fetch_split, read_split

    card = cards.task(task)
    card.split_languages(split)
    table = cards.folder / "downloads.tsv"
    source, files = fetch_split(
        card,
        split,
        language,
        resources=args.resources,
        mirror=args.mirror,
        checksums=read_checksums(table) if table.is_file() else {},
    )
    return read_split(card, cards.schema(task), split, language, files, source).rows
