"""Measure how large the tasks are: config/costs/tasks.tsv, which `xstilts plan` reads.

    python bench/measure_sizes.py MIRROR ENCODER_FOLDER [TASK ...] > config/costs/tasks.tsv

Reads the real files of a mirror as a study would, for every card and split: rows of each language,
and the mean number of tokens that one row gives under the card's own limits (with overlapping
windows and all choices), over at most 300 rows of at most 12 languages. ENCODER_FOLDER holds a
tokenizer of XLM-R's vocabulary. A split that is not in the mirror gets the size that its
publisher states (`DECLARED`), and the tokens of another split of its task, or of a part of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from xstilts.config.catalogue import Catalogue
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.data import examples
from xstilts.data.checksums import read_checksums
from xstilts.data.prepare import prepare
from xstilts.data.sources import available_offline
from xstilts.errors import XstiltsError
from xstilts.models.tokenizer import Tokenizer
from xstilts.tasks.base import EncodingContext, load_model
from xstilts.tasks.registry import SCHEMAS

if TYPE_CHECKING:
    from xstilts.config.task_card import TaskCard

HOME = Path(__file__).parents[1]
LANGUAGES, ROWS = 12, 300
DECLARED = {  # training sets, as their dataset cards and papers state them
    ("mnli", "train"): 392_702,
    ("snli", "train"): 550_152,
    ("anli", "train"): 162_865,
    ("anli_plus", "train"): 1_105_719,
    ("qqp", "train"): 363_846,
    ("qqp", "dev"): 40_430,
    ("squad", "train"): 87_599,
    ("squad2", "train"): 130_319,
    ("squad2", "dev"): 11_873,
    ("hellaswag", "train"): 39_905,
    ("cosmosqa", "train"): 25_262,
    ("commonsenseqa", "train"): 9_741,
    ("siqa", "train"): 33_410,
    ("copa", "train"): 400,
    ("ccg", "train"): 38_015,
    ("pawsx", "train"): 49_401,
    ("pawsx", "dev"): 2_000,
    ("pawsx", "test"): 2_000,
    ("panx", "train"): 20_000,
    ("tydiqa", "train"): 3_696,
    ("sib200", "train"): 701,
}
ALIKE = {"qqp": "qqp_part", "squad2": "squad2_part", "pawsx": "pawsx_dev"}
"""Tasks that the mirror does not hold, with a part of them that it does."""
HEADER = """\
# How large the tasks are, for `xstilts plan`. Made by bench/measure_sizes.py.
# rows: mean over the languages that were looked at. tokens: mean of one row, under the
# limits of the card, with the vocabulary of XLM-R.
# rows_basis, tokens_basis: measured (on real files), declared (by the publisher), borrowed (from
# another split of the task, or from a part of it), guessed (the task type's number).
task\tsplit\trows\ttokens\trows_basis\ttokens_basis"""


def at_hand(card: TaskCard, split: str, language: str, mirror: Path, resources: Path) -> bool:
    """Whether all files of one source of a split are in the mirror."""
    sources = card.splits[split].sources_for(language)  # type: ignore[index]
    return any(
        all(
            available_offline(file, resources, mirror)
            for file in card.raw_files(split, language, source).values()
        )
        for source in sources
    )


def measured(
    card: TaskCard, split: str, mirror: Path, tokenizer: Tokenizer
) -> tuple[float, float] | None:
    """Mean rows of a language and mean tokens of a row; None where nothing can be read."""
    limits = Hyperparameters().patched(card.training)
    counts, tokens = [], []
    with TemporaryDirectory() as temporary:
        resources = Path(temporary)
        codes = [
            code
            for code in card.split_languages(split)
            if at_hand(card, split, code, mirror, resources)
        ]
        for code in codes[:: max(1, len(codes) // LANGUAGES)][:LANGUAGES]:
            stamp = resources / f"{code}.json"
            try:
                prepare(
                    card,
                    SCHEMAS[card.task_type],
                    split,
                    code,
                    resources=resources,
                    mirror=mirror,
                    checksums=read_checksums(HOME / "config/downloads.tsv"),
                    stamp=stamp,
                    spec="",
                )
            except (XstiltsError, OSError) as error:
                print(f"{card.task}/{split}/{code}: {error}", file=sys.stderr)
                continue
            rows = examples.read(stamp.with_suffix(".parquet"))
            some = rows[:: max(1, len(rows) // ROWS)]
            context = EncodingContext(tokenizer, card.label_list, limits)
            features = load_model(card.task_type).encode(some, context)
            counts.append(len(rows))
            tokens.append(sum(map(len, features.sequences)) / len(some))
    if not counts:
        return None
    return sum(counts) / len(counts), sum(tokens) / len(tokens)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mirror", type=Path)
    parser.add_argument("encoder", type=Path, help="folder with a tokenizer of XLM-R")
    parser.add_argument("tasks", nargs="*", help="by default all")
    given = parser.parse_args()
    mirror, tokenizer = given.mirror, Tokenizer(given.encoder)
    cards = Catalogue(HOME / "config", SCHEMAS)
    print(HEADER)
    for name in given.tasks or cards.tasks:
        card = cards.task(name)
        found = {}
        for split in card.splits:
            try:
                found[split] = measured(card, split, mirror, tokenizer)
            except (XstiltsError, ModuleNotFoundError) as error:
                print(f"{name}/{split}: {error}", file=sys.stderr)
                found[split] = None
        seen = [what for what in found.values() if what]
        if not seen and name in ALIKE:
            other = cards.task(ALIKE[name])
            parts = (measured(other, split, mirror, tokenizer) for split in other.splits)
            seen = [what for what in parts if what]
        for split, what in found.items():
            rows = round(what[0]) if what else DECLARED.get((name, split))
            basis = "measured" if what else "declared"
            if (name, split) in DECLARED and what:  # the mirror may hold a part of it
                declared = DECLARED[name, split]
                rows, basis = (rows, basis) if rows == declared else (declared, "declared")
            if rows is None:
                continue
            if what or seen:
                mean, known = (what or seen[0])[1], "measured" if what else "borrowed"
            else:
                mean, known = SCHEMAS[card.task_type].guessed_tokens, "guessed"
            print(f"{name}\t{split}\t{rows}\t{mean:.1f}\t{basis}\t{known}", flush=True)


if __name__ == "__main__":
    main()
