"""How often the intervals of `xstilts.analysis.statistics` exclude the truth when nothing is there.

    python bench/calibration.py                    all settings, 2,000 grids each
    python bench/calibration.py --grids 200        a quick look
    python bench/calibration.py --json FILE        every setting, a line each

Each grid is a condition and a baseline (or nine conditions) whose scores are noise: what a training
adds to all its languages, to single ones and along the resource level; how languages, in families,
differ in their gain; and items that all languages share. A 95 % interval should exclude zero in 5 %
of them. The estimate moves with a true effect, so that coverage is one minus this share; for the
best condition, which is chosen, a true effect is simulated as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from xstilts.analysis.statistics.best import Choice, best_components, choices
from xstilts.analysis.statistics.design import mean_over_targets, within_targets
from xstilts.analysis.statistics.variance import components

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from xstilts.analysis.statistics.design import Design, Floats

QUESTIONS = (
    "mean",
    "group mean",
    "low minus rest",
    "slope",
    "mean over targets",
    "best condition",
    "best condition, one is better",
)
SEEDS = (3, 5, 10)
LANGUAGES = (3, 8, 20, 40)
RUN_SDS = (0.4, 1.0, 1.6)
CONDITIONS = 9
TARGETS = 4
LANGUAGE_SD = 1.0
"""Of the true gains of languages, in points."""
CELL_SHARE = 1.2
"""Standard deviation of a training in a single language, over that of a training."""
ITEM_SD = 0.4
"""Of the persistent noise of shared test items, in points; its variance is estimated from 1,000."""
BETTER = 2.0
"""Points by which one condition is better than the others in the last question. The truth is then
the mean true gain of what was chosen."""


@dataclass(frozen=True)
class Setting:
    """What one row simulates."""

    question: str
    seeds: int
    languages: int
    run_sd: float
    """Standard deviation between trainings, in points."""
    kinship: float
    """Correlation of the true gains within a family."""
    tilt: float
    """Standard deviation of a training's slope on the resource level, as a share of ``run_sd``."""
    unequal: float
    """Standard deviation of the logarithm of a condition's own run SD."""
    parallel: bool
    """Whether all languages have the same test items."""


@dataclass(frozen=True)
class Row:
    """What a setting gave."""

    setting: Setting
    grids: int
    excluded: float
    """Share of the 95 % intervals for languages like these that exclude the truth."""
    excluded_these: float | None
    """The same for exactly these languages; None where it is not asked."""


def settings(questions: tuple[str, ...] = QUESTIONS) -> Iterator[Setting]:
    """All settings that can be asked: fewer than 8 languages are not split in two groups."""
    for question in questions:
        heavy = question.startswith(("mean over", "best"))
        for seeds, languages, run_sd, kinship, tilt, unequal, parallel in itertools.product(
            SEEDS,
            LANGUAGES,
            RUN_SDS[::2] if heavy else RUN_SDS,
            (0.0, 0.5),
            (0.0, 0.5),
            (0.0, 0.6),
            (False, True),
        ):
            split = question in ("group mean", "low minus rest", "slope")
            if split and languages < 8:
                continue
            if question.startswith("best") and (parallel or tilt):
                continue
            yield Setting(question, seeds, languages, run_sd, kinship, tilt, unequal, parallel)


def simulate(setting: Setting, grids: int, seed: int = 0) -> Row:
    """Simulate grids of a setting."""
    world = World(setting, grids, np.random.default_rng([seed, *map(ord, repr(setting))]))
    if setting.question.startswith("best"):
        return _best(world)
    gains = world.language_gains()
    condition, baseline = world.trainings() + gains[..., None], world.trainings()
    items = np.zeros(grids)
    if setting.parallel:
        condition += world.item_shift()[..., None]
        items = world.estimated_item_variance()
    parts = components(world.design, condition, baseline, items)
    true = gains @ world.design.weights
    return Row(
        setting,
        grids,
        _excluded(parts.estimate, *parts.like_these()),
        _excluded(parts.estimate - true, *parts.these(items)),
    )


def _best(world: World) -> Row:
    conditions = np.stack(
        [world.trainings() + world.language_gains()[..., None] for _ in range(CONDITIONS)]
    )
    truth = np.zeros(world.grids)
    one_is_better = world.setting.question.endswith("better")
    if one_is_better:
        conditions[0] += BETTER
    choice = choices(world.design, conditions, Choice())
    if one_is_better:
        truth = BETTER * ((choice == 0).mean(-1) @ world.design.weights)
    parts = best_components(world.design, conditions, world.trainings(), choice)
    excluded = _excluded(parts.estimate - truth, *parts.like_these())
    return Row(world.setting, world.grids, excluded, None)


def _excluded(error: Floats, variance: Floats, df: Floats) -> float:
    reach = stats.t.ppf(0.975, df) * np.sqrt(variance)
    return float(np.mean(np.abs(error) > reach))


class World:
    """Draws the parts of the scores of ``grids`` grids at once; arrays (grids, units, seeds)."""

    def __init__(self, setting: Setting, grids: int, rng: Generator) -> None:
        self.setting, self.grids, self.rng = setting, grids, rng
        families, low = families_of(setting.languages)
        level = levels_of(setting.languages)
        if setting.question == "group mean":
            families, level, low = families[low], level[low], low[low]
        count = TARGETS if setting.question == "mean over targets" else 1
        self.languages, self.targets = len(families), count
        targets = [str(t) for t in range(count) for _ in families]
        names = [str(family) for family in families] * count
        self.families = families
        self.resource = np.where(low, -0.5, 0.5) if setting.question == "low minus rest" else level
        self.design: Design = mean_over_targets(targets, names)
        if setting.question in ("low minus rest", "slope"):
            regressor = low if setting.question == "low minus rest" else level
            self.design = within_targets(targets, names, [float(x) for x in regressor] * count)

    def language_gains(self) -> Floats:
        """True gains: their mean over languages of the world is zero."""
        kinship = self.setting.kinship
        shape = (self.grids, self.targets)
        families = self._normal(*shape, self.families.max() + 1)[..., self.families]
        own = self._normal(*shape, self.languages)
        gains = math.sqrt(kinship) * families + math.sqrt(1 - kinship) * own
        return LANGUAGE_SD * gains.reshape(self.grids, -1)

    def trainings(self) -> Floats:
        """What the trainings of one condition add; half of their variance is of the first stage."""
        seeds, run_sd = self.setting.seeds, self.setting.run_sd
        own = np.exp(self.setting.unequal * self._normal(self.grids, 1, 1, 1))
        stages = self._normal(self.grids, 1, 1, seeds) + self._normal(
            self.grids, self.targets, 1, seeds
        )
        shared = run_sd * own * math.sqrt(0.5) * stages
        slopes = self.setting.tilt * run_sd * self._normal(self.grids, self.targets, 1, seeds)
        tilt = slopes * self.resource[:, None]
        cells = CELL_SHARE * run_sd * self._normal(self.grids, self.targets, self.languages, seeds)
        return (shared + tilt + cells).reshape(self.grids, -1, seeds)

    def item_shift(self) -> Floats:
        """What the choice of items that all languages share adds to a gain."""
        return ITEM_SD * self._normal(self.grids, self.targets)[:, self.design.targets]

    def estimated_item_variance(self) -> Floats:
        """The variance of the estimate by shared items, as 1,000 items would show it."""
        weight = np.bincount(self.design.targets, self.design.weights)
        variance = ITEM_SD**2 * float(weight @ weight)
        return variance * self.rng.chisquare(999, self.grids) / 999

    def _normal(self, *shape: int) -> Floats:
        return self.rng.standard_normal(shape)


def families_of(languages: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The family of each language and whether it is low-resource.

    A third of the languages is one family, as Indo-European is in benchmarks, and the others are in
    families of one to three. Every second of these families is low-resource.

    >>> families_of(8)[0].tolist()
    [0, 0, 1, 2, 3, 4, 5, 6]
    """
    largest = max(1, languages // 3 if languages > 3 else 1)
    size = max(1, round(languages / 13))
    others = 1 + np.arange(languages - largest) // size
    families = np.concatenate([np.zeros(largest, dtype=np.intp), others])
    return families, families % 2 == 1


def levels_of(languages: int) -> Floats:
    """The resource level of each language, in powers of ten around the middle.

    Half of it is the family's, which are in order, and half is the language's own, in an order that
    has nothing to do with families.
    """
    ordered = np.linspace(-2.0, 2.0, languages)
    scattered = ordered[np.argsort(np.arange(languages) * 0.618 % 1)]
    return (ordered + scattered) / 2


# --- the table -----------------------------------------------------------------------------------


def table(rows: list[Row]) -> str:
    """A line for each question and number of languages: least, mean and most over its settings."""
    lines = [
        "| question | languages | settings | like these: least, mean, most | above 7 % | "
        "these: least, mean, most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for question, languages in dict.fromkeys(
        (row.setting.question, row.setting.languages) for row in rows
    ):
        chosen = [
            row
            for row in rows
            if (row.setting.question, row.setting.languages) == (question, languages)
        ]
        like = [row.excluded for row in chosen]
        these = [row.excluded_these for row in chosen if row.excluded_these is not None]
        above = sum(share > 0.07 for share in like)
        lines.append(
            f"| {question} | {languages} | {len(chosen)} | {_three(like)} | {above} | "
            f"{_three(these) if these else '–'} |"
        )
    return "\n".join(lines)


def _three(shares: list[float]) -> str:
    return ", ".join(f"{x:.3f}" for x in (min(shares), sum(shares) / len(shares), max(shares)))


def main() -> None:
    """Simulate all settings and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--grids", type=int, default=2_000, help="grids of each setting (2000)")
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every setting's row")
    args = parser.parse_args()
    started = time.monotonic()
    rows = [simulate(setting, args.grids) for setting in settings(tuple(args.questions))]
    if args.json:
        lines = [json.dumps(asdict(row)) for row in rows]
        args.json.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(table(rows))
    print(f"\n{len(rows)} settings, {args.grids} grids each, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
