"""The problems of a study with the cards that it names: one line for each.

All functions are pure: they take a study and its cards and return lines of the form
``key: problem. Allowed: ...``. `problems` calls the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.config.conditions import (
    MULTI,
    NONE,
    SHUFFLED,
    STEPS_OF,
    WITH_MLM,
    Condition,
    base_of,
    parse_condition,
)
from xstilts.config.study import DEFAULT
from xstilts.config.task_card import FROM_DATA
from xstilts.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from xstilts.config.catalogue import Catalogue
    from xstilts.config.study import Study
    from xstilts.config.task_card import TaskCard

SHARED_BY_MULTI = ("weight_decay", "adam_epsilon", "selection", "eval_every", "patience")
"""Hyperparameters of which a training on several tasks has only one."""


def problems(study: Study, cards: Catalogue) -> list[str]:
    """Every problem of a study, in the order of its keys; an empty list if it can be run.

    Raises `StudyError` where a card that the study names cannot be read.
    """
    return [
        *_unknown_names(study, cards),
        *_pretraining_problems(study, cards),
        *_limit_problems(study),
        *_unused_recipes(study, cards),
        *_known_apart_problems(study, cards),
        *_condition_problems(study, cards),
        *_seed_problems(study),
        *_target_problems(study, cards),
        *_mlm_problems(study, cards),
        *_multi_problems(study, cards),
        *(_language_problems(study, cards) or _targets_without_language(study, cards)),
    ]


# --- names ----------------------------------------------------------------------------------------


def _unknown_names(study: Study, cards: Catalogue) -> list[str]:
    """Names of encoders and tasks that have no card."""
    tasks = cards.tasks
    bases = [base_of(name) for name in study.conditions]
    return [
        *_unknown_in("encoders", study.encoders, "encoder", cards.encoders),
        *_unknown_in("conditions", bases, "condition", [*tasks, NONE, MULTI]),
        *_unknown_in("targets", study.targets, "target", tasks),
        *(
            problem
            for scope in ("tasks", "intermediate_tasks", "recipe_tasks")
            for problem in _unknown_in(
                f"training.{scope}", getattr(study.training, scope), "task", tasks
            )
        ),
        *_unknown_in("multi.tasks", study.multi.tasks or [], "task", tasks),
    ]


def _pretraining_problems(study: Study, cards: Catalogue) -> list[str]:
    """Encoders whose family has no column in the table of languages."""
    named = {
        name: family
        for name in study.encoders
        if name in cards.encoders and (family := cards.encoder(name).pretraining)
    }
    allowed = cards.pretraining_families() if named else []
    return [
        f"encoders: card {name!r}: pretraining: {unknown('family', family, allowed)}; "
        "add the column to languages.tsv"
        for name, family in named.items()
        if family not in allowed
    ]


def _unknown_in(key: str, names: Iterable[str], kind: str, allowed: Collection[str]) -> list[str]:
    return [
        f"{key}[{i}]: {unknown(kind, name, allowed)}"
        for i, name in enumerate(names)
        if name not in allowed
    ]


def _known(names: Iterable[str], cards: Catalogue) -> list[str]:
    """The names that have a card; those that have none are reported by `_unknown_names`."""
    tasks = cards.tasks
    return [name for name in names if name in tasks]


def _limit_problems(study: Study) -> list[str]:
    """Limits of examples for targets that the study does not have."""
    limits = study.evaluation.max_examples
    named = set(limits) - {DEFAULT} if isinstance(limits, dict) else set()
    allowed = [*study.targets, DEFAULT]
    return [
        f"evaluation.max_examples: {unknown('target', name, allowed)}"
        for name in sorted(named - set(study.targets))
    ]


def _seed_problems(study: Study) -> list[str]:
    """Seeds for conditions that the study does not have, and conditions without seeds."""
    if not isinstance(study.seeds, dict):
        return []
    allowed = [*study.conditions, DEFAULT]
    lacking = [name for name in study.conditions if not study.seeds_of(name)]
    return [
        *(
            f"seeds: {unknown('condition', name, allowed)}"
            for name in study.seeds
            if name not in allowed
        ),
        *(
            [f"seeds: names none for {', '.join(lacking)}; add them, or the key {DEFAULT!r}"]
            if lacking
            else []
        ),
    ]


# --- what is trained on ---------------------------------------------------------------------------


def _condition_problems(study: Study, cards: Catalogue) -> list[str]:
    """Conditions that cannot be trained."""
    return [
        *(
            problem
            for name in study.conditions
            for problem in _problems_of_condition(parse_condition(name), study.conditions, cards)
        ),
        *(
            problem
            for name in _known(study.multi.tasks or [], cards)
            for problem in _training_problems("multi.tasks", cards.task(name), cards)
        ),
    ]


def _problems_of_condition(
    condition: Condition, conditions: list[str], cards: Catalogue
) -> list[str]:
    key = f"conditions: {condition.name!r}"
    if condition.steps_of is not None:
        return _problems_of_steps(key, condition.steps_of, conditions)
    if condition.name != NONE and base_of(condition.name) == NONE:
        return [f"{key}: nothing can be added to {NONE!r}"]
    if condition.languages and not condition.tasks:
        return [f"{key}: only a single task has languages"]
    found = []
    for name in _known(condition.tasks, cards):
        task = cards.task(name)
        found += _training_problems("conditions", task, cards) or _training_language_problems(
            key, condition, _training_languages(task, cards)
        )
    return found


def _problems_of_steps(key: str, of: str, conditions: list[str]) -> list[str]:
    """Why a recipe cannot take the steps of another condition's intermediate stage."""
    if not of:
        return [f"{key}: names no condition whose steps it takes; write {STEPS_OF}<condition>"]
    if base_of(of) == NONE:
        return [f"{key}: {of!r} has no intermediate stage whose steps it could take"]
    if parse_condition(of).shuffled:
        other = STEPS_OF + of.replace(SHUFFLED, "")
        return [f"{key}: a shuffled stage takes the steps of the task's own; write {other}"]
    if of not in conditions:
        return [f"{key}: is the control of {of!r}, which the study lacks; add it to the conditions"]
    return []


def _training_language_problems(key: str, condition: Condition, offered: list[str]) -> list[str]:
    codes = condition.languages
    found = _unknown_in(key, codes, "language", offered)
    if len(set(codes)) < len(codes):
        found.append(f"{key}: a language is listed twice")
    return found


def _training_languages(card: TaskCard, cards: Catalogue) -> list[str]:
    """The languages that a task has training examples in; with parts, those that all parts have."""
    every = [cards.task(part).split_languages("train") for part in card.parts or [card.task]]
    return [code for code in every[0] if all(code in languages for languages in every)]


def _training_problems(key: str, card: TaskCard, cards: Catalogue) -> list[str]:
    """What keeps an encoder from being fine-tuned on a task."""
    if cards.schema(card.task).is_plain_text:
        return [f"{key}: {card.task!r} is text for mlm, which is no task to fine-tune on"]
    if not card.trainable:
        return [f"{key}: {card.task!r} has no train split to fine-tune on"]
    return [
        problem
        for part in card.parts
        for problem in _part_problems(f"{key}: {card.task!r}", card, part, cards)
    ]


def _part_problems(key: str, card: TaskCard, name: str, cards: Catalogue) -> list[str]:
    """Why a task's examples cannot be a part of another's."""
    if name not in cards.tasks:
        return [f"{key}: parts: {unknown('task', name, cards.tasks)}"]
    part = cards.task(name)
    if "train" not in part.splits:
        return [f"{key}: part {name!r} has no train split"]
    if (part.task_type, part.labels) != (card.task_type, card.labels):
        return [f"{key}: part {name!r} has another task type or labels"]
    return []


def _multi_problems(study: Study, cards: Catalogue) -> list[str]:
    """Tasks that are trained at once share one optimiser and one choice of a checkpoint."""
    if MULTI not in map(base_of, study.conditions):
        return []
    tasks = study.multi_tasks()
    if len(tasks) < 2:
        return ["conditions: 'multi' needs at least two single tasks beside it"]
    chosen = {
        name: study.hyperparameters(cards.task(name), "intermediate")
        for name in _known(tasks, cards)
    }
    found = []
    for key in SHARED_BY_MULTI:
        values = {task: getattr(hyperparameters, key) for task, hyperparameters in chosen.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{value} for {task}" for task, value in values.items())
            found.append(
                f"training: the tasks of 'multi' are trained with one {key}, not {listed}: "
                "they must have the same"
            )
    return found


def _mlm_problems(study: Study, cards: Catalogue) -> list[str]:
    """Conditions with masked language modelling need a text that it can be trained on."""
    text = study.mlm.text
    if text is None:
        needing = [name for name in study.conditions if name.endswith(WITH_MLM)]
        return [f"mlm.text: {needing[0]!r} needs the card of a text"] if needing else []
    if text not in cards.tasks:
        return [f"mlm.text: {unknown('task', text, cards.tasks)}"]
    card = cards.task(text)
    if not cards.schema(text).is_plain_text or "train" not in card.splits:
        return [f"mlm.text: {text!r} is {card.task_type}; it must be of task type mlm, with train"]
    chosen = study.mlm.languages or []
    return _unknown_in("mlm.languages", chosen, "language", card.split_languages("train"))


# --- targets --------------------------------------------------------------------------------------


def _target_problems(study: Study, cards: Catalogue) -> list[str]:
    """Targets that cannot be scored, or not be fine-tuned on."""
    found = []
    for name in _known(study.targets, cards):
        card = cards.task(name)
        if "test" not in card.splits:
            found.append(f"targets: {name!r} has no test split to score")
        if cards.schema(name).trained_by_recipe and card.recipe is None:
            found.append(f"targets: card {name!r} names no recipe to fine-tune on")
        found += _recipe_problems(study, card, cards)
    return found


def _recipe_problems(study: Study, card: TaskCard, cards: Catalogue) -> list[str]:
    """Why a target cannot be read from the head that its recipe trains."""
    name = study.recipe_of(card)
    if name is None:
        return []
    key = f"recipes.{card.recipe}" if card.recipe in study.recipes else "targets"
    if name not in cards.tasks:
        return [f"{key}: {card.task!r}: {unknown('recipe', name, cards.tasks)}"]
    recipe = cards.task(name)
    if found := _training_problems(key, recipe, cards) or _chain_problems(key, name, cards):
        return found
    if not cards.schema(card.task).trained_by_recipe:  # any task may shape hidden states
        return []
    if recipe.task_type != card.task_type:
        return [f"{key}: {name!r} is {recipe.task_type}, but {card.task!r} is {card.task_type}"]
    taught = {*recipe.label_list, *card.labels_not_in_training}
    if recipe.labels != FROM_DATA and (strange := sorted(set(card.label_list) - taught)):
        return [
            f"{key}: {name!r} does not teach {', '.join(strange)}, "
            f"labels of {card.task!r}; it has {', '.join(recipe.label_list)}"
        ]
    both = list(dict.fromkeys([*card.label_list, *recipe.label_list]))  # gold and predicted
    return [
        f"{key}: {card.task!r} after {name!r}: scorer: {fault}"
        for fault in cards.schema(card.task).label_faults(both, card.scorer)
    ]


def _chain_problems(key: str, recipe: str, cards: Catalogue) -> list[str]:
    """Go by ``follows`` from a recipe to the first of its chain; a circle has no first."""
    seen = [recipe]
    while previous := cards.task(seen[-1]).follows:
        if previous in seen:
            chain = " <- ".join([*seen, previous])
            return [f"{key}: {recipe!r}: follows: the chain {chain} has no start"]
        if previous not in cards.tasks:
            return [f"{key}: {seen[-1]!r}: follows: {unknown('task', previous, cards.tasks)}"]
        place = f"{key}: {seen[-1]!r}: follows"
        if found := _training_problems(place, cards.task(previous), cards):
            return found
        seen.append(previous)
    return []


def _unused_recipes(study: Study, cards: Catalogue) -> list[str]:
    """Recipes that are replaced, but that no target is fine-tuned on."""
    named = {cards.task(target).recipe for target in _known(study.targets, cards)} - {None}
    return [
        f"recipes: {unknown('recipe of a target', name, map(str, named))}"
        for name in study.recipes
        if name not in named
    ]


def _known_apart_problems(study: Study, cards: Catalogue) -> list[str]:
    """Tasks without a card and targets that the study does not have."""
    return [
        *_unknown_in("known_apart", study.known_apart, "task", cards.tasks),
        *(
            problem
            for task, targets in study.known_apart.items()
            for problem in _unknown_in(f"known_apart.{task}", targets, "target", study.targets)
        ),
    ]


# --- languages ------------------------------------------------------------------------------------


def _language_problems(study: Study, cards: Catalogue) -> list[str]:
    """Languages that no target has, and targets that the study does not have."""
    by_target = isinstance(study.languages, dict)
    choices = study.languages if isinstance(study.languages, dict) else {DEFAULT: study.languages}
    found = []
    for target, choice in choices.items():
        key = f"languages.{target}" if by_target else "languages"
        if target != DEFAULT and target not in study.targets:
            found.append(f"{key}: {unknown('target', target, {*study.targets, DEFAULT})}")
        elif isinstance(choice, list):
            targets = study.targets if target == DEFAULT else [target]
            offered = _tested_languages(targets, cards)
            if offered:  # targets that are unknown or cannot be scored have their own line
                found += _unknown_in(key, choice, "language", offered)
    return found


def _tested_languages(targets: Iterable[str], cards: Catalogue) -> set[str]:
    """The languages that at least one of the targets has test examples in."""
    tested = [cards.task(t) for t in _known(targets, cards) if "test" in cards.task(t).splits]
    return {code for card in tested for code in card.split_languages("test")}


def _targets_without_language(study: Study, cards: Catalogue) -> list[str]:
    """Targets that have none of the chosen languages: an empty grid."""
    return [
        f"languages: {study.languages!r} leaves no language for {name!r}, an empty grid; "
        f"it has {', '.join(card.split_languages('test'))}"
        for name in _known(study.targets, cards)
        for card in [cards.task(name)]
        if "test" in card.splits
        and not cards.select_languages(
            card.split_languages("test"), study.language_choice(card.task)
        )
    ]
