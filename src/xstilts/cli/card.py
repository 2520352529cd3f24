"""``xstilts card new``: propose the card of a data set that has none."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import StudyError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from xstilts.config.catalogue import Catalogue
    from xstilts.config.task_card import TaskCard
    from xstilts.data.examples import Example
    from xstilts.data.proposal.tables import Found, FoundTable

HUB = "hub:"
SHOWN = 3
"""Examples that are printed of the new card."""
ENCODER = "e5-small-4"


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "card",
        "propose the card of a data set of yours or of the Hub",
        "xstilts card new data/radio",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = options.add_command(
        actions,
        "new",
        "look at a data set and write a card and a study for it",
        "xstilts card new hub:org/name",
        "It shows three examples as the card reads them.",
    )
    new.add_argument(
        "source", metavar="SOURCE", help="a file, a folder, or hub:owner/name[@commit]"
    )
    new.add_argument("--name", help="the task's name (default: that of the source)")
    new.add_argument("--type", metavar="TYPE", help="task type, where columns do not tell it")
    new.add_argument("--text", metavar="COLUMN", help="of the text, the tokens or the prompt")
    new.add_argument("--text-pair", metavar="COLUMN", help="of the second text")
    new.add_argument("--label", metavar="COLUMN", help="of the label, the tags or the answer")
    new.add_argument("--labels", nargs="+", default=[], metavar="LABEL", help="all, in order")
    new.add_argument("--choices", nargs="+", default=[], metavar="COLUMN", help="of the choices")
    new.add_argument("--language", metavar="CODE", help="of files whose name says none")
    new.add_argument("--split", choices=("train", "dev", "test"), help="where no name says it")
    new.add_argument("--configuration", metavar="NAME", help="the only one to read, of the Hub")
    new.add_argument("--recipe", metavar="TASK", help="to fine-tune on (default: its train split)")
    new.add_argument("--licence", help="of the data (default: what its page on the Hub says)")
    new.add_argument("--max-length", type=int, metavar="TOKENS", help="of an input")
    new.add_argument("--encoder", default=ENCODER, help=f"of the study (default: {ENCODER})")
    options.add_cards(new)
    new.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write ``tasks/NAME.yaml`` and the study ``NAME.yaml`` in the folder of cards."""
    if args.cards == options.PACKAGED_CARDS:
        raise UsageError(
            "cards of your own do not belong into the package: start a project with xstilts init, "
            "or name your folder of cards with --cards"
        )
    cards = options.open_cards(args.cards)
    name = args.name or _name_of(args.source)
    card_path, study_path = cards.folder / "tasks" / f"{name}.yaml", cards.folder / f"{name}.yaml"
    for path in (card_path, study_path):
        if path.exists():
            raise UsageError(f"{path}: exists; give another --name, or delete it")
    from xstilts.config.task_card import TaskCard
    from xstilts.config.yaml_models import load
    from xstilts.data.proposal.card import About, as_yaml, propose, study_of
    from xstilts.data.proposal.columns import Given
    from xstilts.provenance.files import write_text

    found, licence, mirror = _look(args, name, cards)
    for each in found.left_out:
        print(f"left out, no language of languages.tsv or no split: {each}", file=sys.stderr)
    tables = found.tables
    given = Given(
        args.type, args.text, args.text_pair, args.label, tuple(args.choices), tuple(args.labels)
    )
    about = About(name, args.source, args.licence or licence or "not stated", args.recipe)
    proposed = propose(tables, given, about)
    if args.max_length:
        proposed["training"]["max_length"] = args.max_length
    card = load(TaskCard, proposed, str(card_path))
    examples = _examples(card, cards, tables)
    write_text(card_path, as_yaml(proposed))
    try:
        options.open_cards(args.cards).task(name)
    except StudyError:
        card_path.unlink()
        raise
    for split in card.splits:
        print(f"{split}: {', '.join(card.split_languages(split))}")
    print(f"{card_path}: {card.task_type}, {card.primary}; the first examples as it reads them:")
    for example in examples[:SHOWN]:
        print(json.dumps(example, ensure_ascii=False))
    if "test" not in card.splits:
        print("without a test split it is an intermediate task or a recipe, not a target")
        return 0
    write_text(study_path, as_yaml(study_of(name, args.encoder, mirror)))
    print(f"to score it: snakemake --cores all --configfile {study_path}")
    return 0


def _name_of(source: str) -> str:
    """``hub:org/My set`` and ``data/My set.csv`` are both ``my_set``."""
    if source.startswith(HUB):
        stem = Path(source.removeprefix(HUB).partition("@")[0]).name
    else:
        stem = Path(source.removesuffix(".gz")).stem
    name = re.sub(r"[^a-z0-9_.-]+", "_", stem.lower()).strip("_.-")
    if not name:
        raise UsageError(f"{source}: gives the task no name; give --name")
    return name


def _look(
    args: argparse.Namespace, name: str, cards: Catalogue
) -> tuple[Found, str | None, str | None]:
    """The tables of the source, its licence, and the mirror that a study needs for it."""
    from xstilts.data import hub_datasets
    from xstilts.data.proposal.names import LanguageNames
    from xstilts.data.proposal.tables import Asked, in_folder, on_hub

    names = LanguageNames(cards.languages())
    if args.language is not None and args.language not in cards.languages():
        raise UsageError(
            f"--language: {args.language!r} has no row in {cards.folder / 'languages.tsv'}"
        )
    asked = Asked(args.language, args.split, args.configuration)
    if args.source.startswith(HUB):
        repo, _, revision = args.source.removeprefix(HUB).partition("@")
        commit = hub_datasets.commit_of(repo, revision or "main")
        licence = hub_datasets.licence_of(repo, commit)
        return on_hub(repo, commit, name, names, asked), licence, None
    source = Path(args.source)
    if not source.exists():
        raise UsageError(f"{source}: does not exist; name a file, a folder or hub:owner/name")
    return in_folder(source, name, names, asked), None, str(source.absolute().parent)


def _examples(card: TaskCard, cards: Catalogue, tables: Sequence[FoundTable]) -> list[Example]:
    """The examples of a file of every split, checked as they are when they are prepared.

    Of a data set on the Hub only the first rows are read.
    """
    from xstilts.data.prepare import read_split
    from xstilts.provenance.digests import canonical

    schema = cards.task_types[card.task_type]
    read: list[Example] = []
    with TemporaryDirectory() as folder:
        for split in card.splits:
            table = next(t for t in tables if t.split == split)
            path = table.path
            if path is None:
                path = Path(folder) / f"{split}.jsonl"
                path.write_text("".join(f"{canonical(row)}\n" for row in table.first()), "utf-8")
            rows = read_split(card, schema, split, table.language, {"rows": path}).rows
            read = read or rows
    return read
