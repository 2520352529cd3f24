"""A study together with the cards that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.task_card import FROM_DATA
from xstilts.config.yaml_models import load
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    from xstilts.config.catalogue import Catalogue
    from xstilts.config.task_card import TaskCard
from xstilts.config.conditions import MULTI, NONE, WITH_MLM, Condition, base_of, read_condition
from xstilts.config.study import Study


@dataclass(frozen=True)
class Cell:
    """One score to be known."""

    encoder: str
    condition: str
    seed: int
    target: str
    language: str


_ONE_FOR_ALL = ("weight_decay", "adam_epsilon", "selection", "eval_every", "patience")
"""What trainings on several tasks at once cannot have several of."""


class Resolved:
    """A study together with the cards that it names: the grid as plain questions and answers."""

    def __init__(self, study: Study, cards: Catalogue) -> None:
        """Check everything that can be wrong; raise one `StudyError` with a line per problem."""
        self.study, self.cards = study, cards
        problems = list(self._problems())
        if problems:
            raise StudyError("\n".join(problems))
        self.conditions = {name: self._condition(name) for name in study.conditions}
        self.targets = {name: cards.task(name) for name in study.targets}
        self.languages = {name: self._languages_of(card) for name, card in self.targets.items()}

    # -- questions --------------------------------------------------------------------------------

    def cells(self) -> list[Cell]:
        """Every cell of the grid, in reading order."""
        return [
            Cell(encoder, condition, seed, target, language)
            for encoder in self.study.encoders
            for condition in self.conditions
            for seed in self.study.seeds
            for target in self.targets
            for language in self.languages[target]
        ]

    def recipes(self) -> list[str]:
        """The tasks that targets are fine-tuned on, each once, what comes before first."""
        last = (r for t in self.targets if (r := self.recipe_of(t)))
        return list(dict.fromkeys(task for recipe in last for task in self._chain(recipe)))

    def before(self, recipe: str) -> str | None:
        """The recipe that a recipe goes on from (COPA from SIQA); None for most."""
        return self.cards.task(recipe).after

    def recipe_of(self, target: str) -> str | None:
        """The task that a target is fine-tuned on; None where the target needs no training."""
        recipe = self.cards.task(target).recipe
        return self.study.recipes.get(recipe, recipe) if recipe else None

    def own_tasks(self, target: str) -> set[str]:
        """The tasks of a target's benchmark: itself, and the recipe that its card names."""
        recipe = self.cards.task(target).recipe
        chain = self._chain(recipe) if recipe in self.cards.tasks else []
        parts = (part for task in chain for part in self.cards.task(task).parts)
        return {target, *chain, *parts}

    def stage_of(self, target: str) -> str:
        """The training stage that a target is read from: its recipe, or ``intermediate``."""
        return self.recipe_of(target) or "intermediate"

    def hyperparameters(
        self, task: str, stage: Literal["intermediate", "recipe"]
    ) -> Hyperparameters:
        """Defaults, then the card's, then the study's by scope."""
        choices = self.study.training
        return Hyperparameters().patched(
            self.cards.task(task).training,
            choices.all,
            getattr(choices, stage),
            choices.tasks.get(task),
            choices.of_stage(stage).get(task),
        )

    # -- checks -----------------------------------------------------------------------------------

    def _problems(self) -> list[str]:
        return [
            *self._unknown_names(),
            *self._limit_problems(),
            *self._unused_recipes(),
            *self._unfit_tasks(),
            *(self._language_problems() or self._empty_targets()),
        ]

    def _unknown_names(self) -> list[str]:
        study, cards = self.study, self.cards
        trainable = [*cards.tasks, NONE, MULTI]
        return [
            *_unknown_in("encoders", study.encoders, "encoder", cards.encoders),
            *_unknown_in("conditions", self._bases(), "condition", trainable),
            *_unknown_in("targets", study.targets, "target", cards.tasks),
            *(
                problem
                for scope in ("tasks", "intermediate_tasks", "recipe_tasks")
                for problem in _unknown_in(
                    f"training.{scope}", list(getattr(study.training, scope)), "task", cards.tasks
                )
            ),
            *_unknown_in("multi.tasks", study.multi.tasks or [], "task", cards.tasks),
        ]

    def _limit_problems(self) -> list[str]:
        limits = self.study.evaluation.max_examples
        named = set(limits) - {"default"} if isinstance(limits, dict) else set()
        wrong = sorted(named - set(self.study.targets))
        allowed = [*self.study.targets, "default"]
        return [f"evaluation.max_examples: {unknown('target', n, allowed)}" for n in wrong]

    def _unfit_tasks(self) -> list[str]:
        problems = []
        for name in self.study.conditions:
            problems += self._condition_problems(read_condition(name))
        for name in self._known(self.study.multi.tasks or []):
            problems += self._training_problems("multi.tasks", name)
        for name in self._known(self.study.targets):
            card = self.cards.task(name)
            if "test" not in card.splits:
                problems.append(f"targets: {name!r} has no test split to score")
            if card.format != "retrieval" and card.recipe is None:
                problems.append(f"targets: card {name!r} names no recipe to fine-tune on")
            problems += self._recipe_problems(card)
        if MULTI in self._bases() and len(self._mixed_tasks()) < 2:
            problems.append("conditions: 'multi' needs at least two single tasks beside it")
        return [*problems, *self._mlm_problems(), *self._multi_problems()]

    def _multi_problems(self) -> list[str]:
        """Tasks that are trained at once share one optimiser and one choice of a checkpoint."""
        if MULTI not in self._bases():
            return []
        tasks = self._known(self._mixed_tasks())
        chosen = {task: self.hyperparameters(task, "intermediate") for task in tasks}
        problems = []
        for key in _ONE_FOR_ALL:
            values = {task: getattr(h, key) for task, h in chosen.items()}
            if len(set(values.values())) > 1:
                said = ", ".join(f"{value} for {task}" for task, value in values.items())
                problems.append(
                    f"training: the tasks of 'multi' are trained with one {key}, not {said}: "
                    "they must have the same"
                )
        return problems

    def _condition_problems(self, condition: Condition) -> list[str]:
        if condition.name != NONE and base_of(condition.name) == NONE:
            return [f"conditions: {condition.name!r}: nothing can be added to {NONE!r}"]
        if condition.languages and not condition.tasks:
            return [f"conditions: {condition.name!r}: only a single task has languages"]
        problems = []
        for name in self._known(list(condition.tasks)):
            found = self._training_problems("conditions", name)
            if not found and condition.languages:
                offered = self._training_languages(name)
                key = f"conditions: {condition.name!r}"
                found = _unknown_in(key, list(condition.languages), "language", offered)
                if len(set(condition.languages)) < len(condition.languages):
                    found.append(f"{key}: a language is listed twice")
            problems += found
        return problems

    def _training_languages(self, task: str) -> list[str]:
        """The languages that a task has training data in; of its parts, those that all have."""
        card = self.cards.task(task)
        every = [self.cards.task(part).split_languages("train") for part in card.parts or [task]]
        return [code for code in every[0] if all(code in languages for languages in every)]

    def _training_problems(self, key: str, task: str) -> list[str]:
        """What keeps an encoder from being fine-tuned on a task that has a card."""
        card = self.cards.task(task)
        if card.format == "mlm":
            return [f"{key}: {task!r} is text for mlm, which is no task to fine-tune on"]
        if not card.trainable:
            return [f"{key}: {task!r} has no train split to fine-tune on"]
        problems = []
        for part in card.parts:
            if part not in self.cards.tasks:
                problems.append(
                    f"{key}: {task!r}: parts: {unknown('task', part, self.cards.tasks)}"
                )
                continue
            other = self.cards.task(part)
            if "train" not in other.splits:
                problems.append(f"{key}: {task!r}: part {part!r} has no train split")
            elif (other.format, other.labels) != (card.format, card.labels):
                problems.append(f"{key}: {task!r}: part {part!r} has another format or labels")
        return problems

    def _mlm_problems(self) -> list[str]:
        text = self.study.mlm.text
        if text is None:
            wanting = [c for c in self.study.conditions if c.endswith(WITH_MLM)]
            return [f"mlm.text: {wanting[0]!r} needs the card of a text"] if wanting else []
        if text not in self.cards.tasks:
            return [f"mlm.text: {unknown('task', text, self.cards.tasks)}"]
        card = self.cards.task(text)
        if card.format != "mlm" or "train" not in card.splits:
            return [f"mlm.text: {text!r} is {card.format}; it must be of format mlm, with train"]
        chosen = self.study.mlm.languages or []
        return _unknown_in("mlm.languages", chosen, "language", card.split_languages("train"))

    def _recipe_problems(self, card: TaskCard) -> list[str]:
        name = self.recipe_of(card.task)
        if name is None:
            return []
        key = f"recipes.{card.recipe}" if card.recipe in self.study.recipes else "targets"
        if name not in self.cards.tasks:
            return [f"{key}: {card.task!r}: {unknown('recipe', name, self.cards.tasks)}"]
        recipe = self.cards.task(name)
        if found := self._training_problems(key, name) or self._chain_problems(key, name):
            return found
        if card.format == "retrieval":  # reads hidden states: any task may have shaped them
            return []
        if recipe.format != card.format:
            return [f"{key}: {name!r} is {recipe.format}, but {card.task!r} is {card.format}"]
        taught = {*recipe.label_list, *card.untaught}
        if recipe.labels != FROM_DATA and (strange := sorted(set(card.label_list) - taught)):
            return [
                f"{key}: {name!r} does not teach {', '.join(strange)}, "
                f"labels of {card.task!r}; it has {', '.join(recipe.label_list)}"
            ]
        return []

    def _chain_problems(self, key: str, recipe: str) -> list[str]:
        seen = [recipe]
        while after := self.cards.task(seen[-1]).after:
            if after in seen:
                return [f"{key}: {recipe!r}: after: {' after '.join([*seen, after])} has no start"]
            if after not in self.cards.tasks:
                return [f"{key}: {seen[-1]!r}: after: {unknown('task', after, self.cards.tasks)}"]
            if found := self._training_problems(f"{key}: {seen[-1]!r}: after", after):
                return found
            seen.append(after)
        return []

    def _unused_recipes(self) -> list[str]:
        named = {self.cards.task(t).recipe for t in self._known(self.study.targets)} - {None}
        return [
            f"recipes: {unknown('recipe of a target', name, map(str, named))}"
            for name in self.study.recipes
            if name not in named
        ]

    def _language_problems(self) -> list[str]:
        chosen = self.study.languages
        choices = chosen if isinstance(chosen, dict) else {"default": chosen}
        problems = []
        targets = set(self.study.targets)
        for target, choice in choices.items():
            key = f"languages.{target}" if isinstance(chosen, dict) else "languages"
            if target != "default" and target not in targets:
                problems.append(f"{key}: {unknown('target', target, targets | {'default'})}")
                continue
            if not isinstance(choice, list):
                continue
            cards = [self.cards.task(t) for t in self._known(self.study.targets)]
            having = [c for c in cards if target in ("default", c.task) and "test" in c.splits]
            offered = {code for c in having for code in c.split_languages("test")}
            if offered:  # targets that are unknown or cannot be scored have their own line
                problems += _unknown_in(key, choice, "language", offered)
            twice = sorted({code for code in choice if choice.count(code) > 1})
            problems += [f"{key}: listed twice: {code}" for code in twice]
        return problems

    def _empty_targets(self) -> list[str]:
        return [
            f"languages: {self.study.languages!r} leaves no language for {name!r}, an empty grid; "
            f"it has {', '.join(card.split_languages('test'))}"
            for name in self._known(self.study.targets)
            for card in [self.cards.task(name)]
            if "test" in card.splits and not self._languages_of(card)
        ]

    def _known(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self.cards.tasks]

    def _bases(self) -> list[str]:
        """The study's conditions without their languages and MLM."""
        return [base_of(name) for name in self.study.conditions]

    def _mixed_tasks(self) -> list[str]:
        """The tasks of ``multi``: those named, or the conditions that are just a task."""
        if self.study.multi.tasks:
            return self.study.multi.tasks
        read = map(read_condition, self.study.conditions)
        return [c.name for c in read if c.tasks == (c.name,)]

    def _condition(self, name: str) -> Condition:
        condition = read_condition(name)
        if name.removesuffix(WITH_MLM) != MULTI:
            return condition
        # sorted, because the order in which a study lists its conditions decides nothing
        return replace(condition, tasks=tuple(sorted(self._mixed_tasks())))

    def _chain(self, recipe: str) -> list[str]:
        before = self.before(recipe)
        return [*(self._chain(before) if before else []), recipe]

    def _languages_of(self, card: TaskCard) -> list[str]:
        offered = card.split_languages("test")
        chosen = self.study.languages
        if isinstance(chosen, dict):
            chosen = chosen.get(card.task, chosen.get("default", "all"))
        if chosen == "all":
            return list(offered)
        if chosen == "low_resource":
            known = self.cards.languages()
            return [code for code in offered if code in known and known[code].low_resource]
        return [code for code in offered if code in chosen]


def _unknown_in(key: str, names: list[str], kind: str, allowed: Any) -> list[str]:
    return [
        f"{key}[{i}]: {unknown(kind, name, allowed)}"
        for i, name in enumerate(names)
        if name not in allowed
    ]


def resolve(config: dict[str, Any], where: str, cards: Catalogue) -> Resolved:
    """Read a study from configuration and check it against the cards.

    ``cards`` is the project's catalogue, unless the study names one of its own. Raises
    `StudyError`, every line of which begins with ``where``, the file that was read.
    """
    study = load(Study, config, where)
    try:
        return Resolved(study, cards.of(study.cards) if study.cards else cards)
    except StudyError as error:
        lines = str(error).splitlines()
        prefix = re.compile(r"^\S+\.(yaml|tsv)[:\d]*: ")
        raise StudyError(
            "\n".join(line if prefix.match(line) else f"{where}: {line}" for line in lines)
        ) from None
