"""How often a condition that is compared with itself seems to gain, on the embedded benchmark.

    python bench/null_gains.py              train it with six seeds (12 min on two cores), then look
    python bench/null_gains.py --cores 1

The condition `none` is trained with six seeds on three targets. Each of the ten ways to split the
seeds in two halves makes one half a condition and the other its baseline. There is nothing to find:
95 % intervals should exclude zero in about one of twenty comparisons. The splits share trainings,
so these are not independent draws.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pandas as pd

from xstilts.analysis.language_groups import LOW, OTHER, ZERO_SHOT
from xstilts.analysis.statistics.questions import Analysis
from xstilts.config.languages import read_languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xstilts.analysis.statistics.contrast import Contrast
    from xstilts.config.languages import Language

HOME = Path(__file__).parents[1]
ENCODER = "e5-small-4"
TARGETS = ("cldr_region", "cldr_kind", "cldr_tags")
SEEDS = (1, 2, 3, 4, 5, 6)
OTHER_HALF = "itself"
"""The name of the half of the seeds that stands for a condition."""


class Asked(TypedDict):
    """What every question of a split takes."""

    encoder: str
    condition: str
    targets: str | tuple[str, ...]


def train(cores: str) -> Path:
    """Compute the scores; return the table."""
    study = {
        "study": "null_gains",
        "conditions": "[none]",
        "targets": f"[{','.join(TARGETS)}]",
        "seeds": f"[{','.join(map(str, SEEDS))}]",
    }
    keys = [f"{key}={value}" for key, value in study.items()]
    table = HOME / "results" / study["study"] / "grid.parquet"
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", cores, str(table.relative_to(HOME)),
         "--config", *keys],
        cwd=HOME,
        check=True,
    )  # fmt: skip
    return table


def splits(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The table with half of the seeds as a condition of another name: each split once."""
    for half in itertools.combinations(SEEDS, len(SEEDS) // 2):
        if SEEDS[0] in half:
            yield table.assign(
                condition=table["condition"].where(~table["seed"].isin(half), OTHER_HALF)
            )


def questions(analysis: Analysis) -> Iterator[tuple[str, Contrast]]:
    """The questions of a split, by name."""
    places: list[str | tuple[str, ...]] = [*TARGETS, TARGETS]
    for targets in places:
        where = targets if isinstance(targets, str) else "mean over targets"
        asked = Asked(encoder=ENCODER, condition=OTHER_HALF, targets=targets)
        for group in (ZERO_SHOT, OTHER, LOW):
            yield f"{where}, {group}", analysis.mean(**asked, group=group)
        yield f"{where}, low minus rest", analysis.low_minus_rest(**asked)
        yield f"{where}, slope", analysis.slope(**asked)


def compare(table: pd.DataFrame, languages: Mapping[str, Language]) -> pd.DataFrame:
    """A row for each question and estimand: how many intervals exclude zero, of how many."""
    rows = []
    for split in splits(table):
        for name, found in questions(Analysis(split, languages)):
            for estimand in ("like_these", "these"):
                uncertainty = getattr(found, estimand)
                if uncertainty is not None:
                    outside = uncertainty.interval.excludes_zero
                    rows.append((name, estimand, outside, found.estimate))
    frame = pd.DataFrame(rows, columns=["question", "estimand", "excludes", "estimate"])
    return (
        frame.groupby(["question", "estimand"], sort=False)
        .agg(
            excludes=("excludes", "sum"),
            of=("excludes", "size"),
            largest=("estimate", lambda e: e.abs().max()),
        )
        .reset_index()
    )


def main() -> None:
    """Train, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--cores", default="all", help="for the trainings (all)")
    args = parser.parse_args()
    table = pd.read_parquet(train(args.cores))
    found = compare(table, read_languages(HOME / "config" / "languages.tsv"))
    print(found.to_string(index=False))
    for estimand, rows in found.groupby("estimand", sort=False):
        share = rows["excludes"].sum() / rows["of"].sum()
        print(
            f"{estimand}: {rows['excludes'].sum()} of {rows['of'].sum()} exclude zero ({share:.1%})"
        )


if __name__ == "__main__":
    main()
