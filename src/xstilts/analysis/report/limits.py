"""What a study can and cannot show, as values: seeds, languages, test items, trainings.

They are computed from the study itself, so that the report never omits or misstates a limit.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from xstilts.analysis.gains import scores_by_language, standard_error
from xstilts.analysis.language_groups import ENGLISH, LOW, OTHER, UNKNOWN, members
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from xstilts.analysis.statistics.questions import Analysis
    from xstilts.config.conditions import Condition
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid

SATURATED = 95.0
"""From this baseline score on, a gain has no room."""
LISTED = 200
"""As many scores with a warning are listed; ``grid.parquet`` has all."""


@dataclass(frozen=True)
class LanguageCounts:
    """How many languages of each group a study or target has, without English."""

    low: int
    other: int
    unknown: int

    @property
    def zero_shot(self) -> int:
        """All of them."""
        return self.low + self.other + self.unknown


class SameTask(NamedTuple):
    """Conditions that train on a task on which the targets are fine-tuned as well."""

    conditions: list[str]
    targets: list[str]


class Items(NamedTuple):
    """Test items of a language, over the languages of a target."""

    least: int
    most: int
    median: int


@dataclass(frozen=True)
class TargetLimits:
    """What limits the gains of a target; baselines are those of the zero-shot languages."""

    card: TaskCard
    languages: LanguageCounts
    items: Items | None
    error: float
    """Standard error of a score at the mean baseline and the median number of items."""
    spread: float
    """The median over languages of a score's standard deviation between trainings."""
    baselines: int
    uninformative: int
    """Of them, those where no condition is above guessing."""
    at_the_floor: int
    """Those where only the baseline is not."""
    saturated: int


class ListedScore(NamedTuple):
    """A row of the table of scores."""

    encoder: str
    condition: str
    seed: int
    target: str
    language: str
    score: float
    n: int
    warnings: str


@dataclass(frozen=True)
class Limits:
    """Everything of the section "What this study can and cannot show"."""

    embedded: list[str]
    """Targets that are built by the embedded benchmark."""
    languages: LanguageCounts
    families: int
    """Known families of the zero-shot languages."""
    english: bool
    unknown_class: list[str]
    """Names of the languages of unknown class."""
    max_items: dict[str, int]
    """The study's limit of test items per language, of the targets that have one."""
    all_limited: bool
    """Whether every target has the same limit."""
    sampled_candidates: list[str]
    """Retrieval targets whose candidates are those of the limited items only."""
    same_task: list[SameTask]
    trained_before: dict[str, list[str]]
    """Targets with the tasks that condition ``none`` trains on before the target's own task."""
    trained_in: dict[str, list[str]]
    """Conditions with the languages other than English of their training data."""
    targets: list[TargetLimits]
    warned: int
    undefined: int
    listed: list[ListedScore]
    """The first `LISTED` of the scores that are undefined or have a warning."""
    other_versions: dict[str, int]
    """How many scores each other version of the code computed (`xstilts.grid.versions`)."""


def limits(grid: Grid, analysis: Analysis) -> Limits:
    """The limits of a study, as far as its scores are there."""
    languages, table = analysis.languages, analysis.scores.table
    codes = list(dict.fromkeys(code for cs in grid.resolved.languages.values() for code in cs))
    known = [languages[code] for code in codes if code in languages and code != ENGLISH]
    targets = grid.resolved.targets
    max_items = {t: n for t in targets if (n := grid.study.evaluation.limit(t))}
    with_candidates = [t for t in targets if grid.cards.schema(t).rows_per_question > 1]
    warned, undefined = table["warnings"] != "", table["score"].isna()
    means = scores_by_language(table)
    return Limits(
        embedded=[name for name, card in targets.items() if is_embedded(card)],
        languages=_counts(analysis, codes),
        families=len({language.family for language in known if language.family}),
        english=ENGLISH in codes,
        unknown_class=[
            languages[code].name if code in languages else code
            for code in members(UNKNOWN, codes, languages)
        ],
        max_items=max_items,
        all_limited=len(max_items) == len(targets) and len(set(max_items.values())) == 1,
        sampled_candidates=[target for target in with_candidates if target in max_items],
        same_task=_same_task(grid),
        trained_before=_trained_before(grid),
        trained_in=_trained_in(grid),
        targets=[
            _target_limits(grid, analysis, means[means["target"] == target], target)
            for target in targets
            if target in analysis.scores.languages
        ],
        warned=int(warned.sum()),
        undefined=int(undefined.sum()),
        listed=_listed(table[warned | undefined]),
        other_versions=_other_versions(table),
    )


def _other_versions(table: pd.DataFrame) -> dict[str, int]:
    kept = table.loc[table["other_version"] != "", "other_version"]
    return {str(name): int(count) for name, count in kept.value_counts(sort=False).items()}


def is_embedded(card: TaskCard) -> bool:
    """Whether the embedded benchmark builds any file of a task."""
    files = (file for split in card.splits.values() for file in split.files.values())
    return any(file.package and file.package.source == "embedded" for file in files)


def training_languages(grid: Grid, condition: Condition) -> list[str]:
    """The languages of a condition's training data: those that it names, or its tasks' own."""
    own = dict.fromkeys(grid.cards.task(task).training_language for task in condition.tasks)
    return list(condition.languages or own)


def _counts(analysis: Analysis, codes: list[str]) -> LanguageCounts:
    low, other, unknown = (
        len(members(group, codes, analysis.languages)) for group in (LOW, OTHER, UNKNOWN)
    )
    return LanguageCounts(low, other, unknown)


# --- trainings -----------------------------------------------------------------------------------


def _same_task(grid: Grid) -> list[SameTask]:
    """Conditions that share a task with the recipes of targets."""
    recipes = {t: _with_parts(grid, _recipes(grid, t)) for t in grid.resolved.targets}
    by_targets: dict[tuple[str, ...], list[str]] = {}
    for condition in grid.resolved.conditions.values():
        trained = _with_parts(grid, condition.tasks)
        targets = tuple(t for t in recipes if trained & recipes[t])
        by_targets.setdefault(targets, []).append(condition.name)
    return [SameTask(names, list(targets)) for targets, names in by_targets.items() if targets]


def _trained_before(grid: Grid) -> dict[str, list[str]]:
    """Targets with other tasks before their own: XCOPA after Social IQa."""
    before = {}
    for target in grid.resolved.targets:
        recipes = _recipes(grid, target)
        has_own_task = grid.cards.schema(target).trained_by_recipe or target in recipes
        before[target] = recipes[:-1] if has_own_task else recipes
    return {target: tasks for target, tasks in before.items() if tasks}


def _trained_in(grid: Grid) -> dict[str, list[str]]:
    languages = {
        name: [code for code in training_languages(grid, condition) if code != ENGLISH]
        for name, condition in grid.resolved.conditions.items()
    }
    return {name: codes for name, codes in languages.items() if codes}


def _recipes(grid: Grid, target: str) -> list[str]:
    """The tasks that a target is fine-tuned on, in their order; empty if it needs no training."""
    recipes: list[str] = []
    recipe = grid.resolved.recipe_of(target)
    while recipe:
        recipes.insert(0, recipe)
        recipe = grid.resolved.previous_stage(recipe)
    return recipes


def _with_parts(grid: Grid, tasks: Iterable[str]) -> set[str]:
    """Tasks, and the tasks that their training examples are taken from."""
    return {part for task in tasks for part in (task, *grid.cards.task(task).parts)}


# --- targets -------------------------------------------------------------------------------------


def _target_limits(
    grid: Grid, analysis: Analysis, means: pd.DataFrame, target: str
) -> TargetLimits:
    """The limits of a target; ``means`` are its scores by language (`scores_by_language`)."""
    zero_shot = means[means["language"] != ENGLISH]
    baselines = zero_shot[zero_shot["condition"] == NONE]
    items = zero_shot.drop_duplicates(["encoder", "language"])["n"].tolist()
    middle = int(median(items)) if items else 0
    level = float(baselines["score"].mean()) if len(baselines) else math.nan
    floors = Counter(
        floor
        for encoder in dict.fromkeys(means["encoder"])
        for unit, floor in analysis.floor(encoder=encoder, targets=target).items()
        if unit.language != ENGLISH
    )
    return TargetLimits(
        card=grid.resolved.targets[target],
        languages=_counts(analysis, grid.resolved.languages[target]),
        items=Items(min(items), max(items), middle) if items else None,
        error=standard_error(level, middle) if level == level else math.nan,
        spread=float(zero_shot["spread"].median()),
        baselines=len(baselines),
        uninformative=floors["uninformative"],
        at_the_floor=floors["at the floor"],
        saturated=int((baselines["score"] >= SATURATED).sum()),
    )


def _listed(table: pd.DataFrame) -> list[ListedScore]:
    rows = table[list(ListedScore._fields)].head(LISTED)
    return [ListedScore(*row) for row in rows.itertuples(index=False)]
