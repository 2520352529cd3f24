"""``xstilts export``: write a checkpoint as a Hugging Face folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xstilts.cli import options
from xstilts.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add(commands: options.Commands) -> None:
    """Add the subcommand's parser."""
    parser = options.add_command(
        commands,
        "export",
        "write a checkpoint as a Hugging Face folder",
        "xstilts export results/my-study/checkpoints/e5-small/none/seed1/squad/stamp.json model",
    )
    parser.add_argument("stamp", type=Path, metavar="STAMP", help="stamp.json of the checkpoint")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new folder to write")
    parser.add_argument("--head", metavar="TASK", help="write the head of this task as well")
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="STAMP",
        help="stamp of its encoder (default: the one in resources/encoders/)",
    )
    parser.add_argument(
        "--study",
        type=Path,
        metavar="FOLDER",
        help="results/<study>, for the README's lineage and scores (default: the one that the "
        "stamp is reached through)",
    )
    parser.add_argument(
        "--push-to-hub", metavar="OWNER/NAME", help="upload the folder as this model, too"
    )
    parser.add_argument("--private", action="store_true", help="make a repository for you alone")
    options.add_cards(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the folder, and its model card where the study that trained the checkpoint is known."""
    if not args.stamp.is_file():
        raise UsageError(f"{args.stamp}: does not exist; give the stamp.json of a checkpoint")
    if args.push_to_hub and not re.fullmatch(r"[\w.-]+/[\w.-]+", args.push_to_hub):
        raise UsageError(f"--push-to-hub: {args.push_to_hub!r} is not of the form owner/name")
    from xstilts.archive.model_card import model_card
    from xstilts.models.export import Head, export
    from xstilts.provenance.files import write_text

    study = args.study or _study_of(args.stamp)
    card_text = model_card(args.stamp, study, args.head) if study else None
    head = None
    if args.head:
        cards = options.open_cards(args.cards)
        card = cards.task(args.head)
        head = Head(card.task, cards.schema(card.task), tuple(card.label_list))
    export(args.stamp, args.encoder or _encoder_of(args.stamp), args.folder, head)
    print(f"{args.folder}: written")
    if card_text is None:
        print("without a model card: name the study that trained it with --study results/<study>")
    else:
        write_text(args.folder / "README.md", card_text)
    if args.push_to_hub:
        from xstilts.data.hub import upload

        commit = upload(args.folder, args.push_to_hub, private=args.private)
        print(f"{args.push_to_hub}: uploaded, commit {commit}")
    return 0


def _study_of(stamp: Path) -> Path | None:
    """The folder of the study whose link to a checkpoint a path goes through, if it does."""
    # results/<study>/checkpoints/<encoder>/<condition>/seed<k>/<stage>/stamp.json
    above = stamp.absolute().parents
    found = above[5] if len(above) > 5 and above[4].name == "checkpoints" else None
    return found if found and (found / ".snapshots").is_dir() else None


def _encoder_of(stamp: Path) -> Path:
    """The stamp of the encoder that a checkpoint was trained from, which lies beside it."""
    from xstilts.provenance.digests import file_sha256
    from xstilts.provenance.stamp import StampReader

    wanted = StampReader().inputs(stamp).get("encoder")
    # resources/checkpoints/<encoder>/<name>-<digest>/stamp.json, maybe behind a link
    encoders = Path(*stamp.resolve().parts[:-4], "encoders")
    for candidate in encoders.glob("*/stamp.json"):
        if file_sha256(candidate) == wanted:
            return candidate
    raise UsageError(
        f"{encoders}: has no encoder that {stamp} was trained from; name its stamp with --encoder"
    )
