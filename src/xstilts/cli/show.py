"""``xstilts show``: print examples of a task, and what an encoder reads of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options, task_data
from xstilts.errors import StudyError, UsageError, unknown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from xstilts.config.task_card import TaskCard
    from xstilts.data.examples import Example


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "show",
        "print examples of a task, and the inputs that an encoder reads of them",
        "xstilts show xquad sw --encoder resources/encoders/e5-small-0123abcd",
    )
    parser.add_argument("task", metavar="TASK", help="name of a card")
    parser.add_argument("language", metavar="LANGUAGE", help="code, as in the card")
    parser.add_argument("--split", help="train, dev or test (default: test, where there is one)")
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="FOLDER",
        help="folder with a tokenizer.json: print tokens, too, and where windows cut",
    )
    parser.add_argument("--max-length", type=int, metavar="TOKENS", help="default: the card's")
    task_data.add_places(parser)
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the first examples, and of each the inputs of the encoder."""
    cards = options.open_cards(args.cards)
    card = cards.task(args.task)
    split = args.split or next(s for s in ("test", "dev", "train") if s in card.splits)
    languages = card.split_languages(split)
    if args.language not in languages:
        raise StudyError(f"{card.task}, {split}: {unknown('language', args.language, languages)}")
    if args.examples < 1:
        raise UsageError("--examples: must be at least 1")
    rows = task_data.read(args, cards, card.task, split, args.language)
    print(f"{card.task}/{split}/{args.language}: {len(rows):,} examples")
    for row in rows[: args.examples]:
        print()
        for column, value in row.items():
            print(f"{column}: {value if isinstance(value, str) else _json(value)}")
        if args.encoder:
            for line in inputs(row, card, args.encoder, args.max_length):
                print(line)
    return 0


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def inputs(
    example: Example, card: TaskCard, encoder: Path, max_length: int | None
) -> Iterator[str]:
    """A line for each sequence of tokens that an encoder reads of an example.

    An example of span QA has a sequence for each window, one of multiple choice for each choice.
    """
    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.models.tokenizer import Tokenizer
    from xstilts.tasks.base import EncodingContext, load_model

    tokenizer = Tokenizer(encoder)
    changes = Hyperparameters(max_length=max_length) if max_length else None
    limits = Hyperparameters().patched(card.training, changes)
    model = load_model(card.task_type)
    features = model.encode([example], EncodingContext(tokenizer, card.label_list, limits))
    total = len(features.sequences)
    for number, sequence in enumerate(features.sequences, start=1):
        pieces = " ".join(tokenizer.piece(int(token)) or "?" for token in sequence)
        yield f"input {number} of {total}, {len(sequence)} tokens: {pieces}"
    for what, count in sorted(features.counts.items()):
        if count:
            yield f"{what.replace('_', ' ')}: {count}"
