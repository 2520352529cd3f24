"""The study file: which grid to build. Validated against the cards before anything runs.

cell = (encoder, condition, target, language, seed) -> score
gain = score(condition) - score(none), same encoder, target, language and seed
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from xstilts.cards.task import FROM_DATA
from xstilts.errors import StudyError, unknown
from xstilts.hyperparameters import Hyperparameters
from xstilts.yaml_models import Model, Name, Number, load, yaml_kind

if TYPE_CHECKING:
    from xstilts.cards.catalogue import Catalogue
    from xstilts.cards.task import TaskCard

NONE = "none"
MULTI = "multi"
WITH_MLM = "+mlm"


def _unique(values: list[Any]) -> list[Any]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return values


def _with_baseline(conditions: list[str]) -> list[str]:
    if NONE not in conditions:
        raise ValueError("needs 'none', the baseline of every gain")
    return conditions


Unique = AfterValidator(_unique)
Names = Annotated[list[Name], Field(min_length=1), Unique]
Conditions = Annotated[Names, AfterValidator(_with_baseline)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Limit = Annotated[int, Field(gt=0)] | None


def _word(value: object) -> object:
    if value not in ("all", "low_resource"):
        raise ValueError(f"{value!r} is neither all, nor low_resource, nor a list of codes")
    return value


Codes = Annotated[list[Name], Tag("<list>")]
Word = Annotated[Literal["all", "low_resource"], BeforeValidator(_word), Tag("<value>")]
LanguageChoice = Annotated[Word | Codes, Discriminator(yaml_kind)]
LanguageChoices = Annotated[
    Word | Codes | Annotated[dict[Name, LanguageChoice], Tag("<mapping>")],
    Discriminator(yaml_kind),
]
Limits = Annotated[
    Annotated[Limit, Tag("<value>")] | Annotated[dict[Name, Limit], Tag("<mapping>")],
    Discriminator(yaml_kind),
]


class Multi(Model):
    """The ``multi`` condition: every intermediate task of the study at once, one head each."""

    tasks: Annotated[list[Name], Field(min_length=2), Unique] | None = Field(
        None, description="tasks that are mixed; null: those that are conditions by themselves"
    )
    cap: int = Field(2**17, gt=0, description="a task counts for at most so many examples")
    temperature: Number = Field(
        1.0, gt=0, description="p(task) ~ min(size, cap) ** (1/temperature)"
    )


class Mlm(Model):
    """Conditions that end in ``+mlm``: masked language modelling is mixed into them."""

    text: Name | None = Field(None, description="card of the text, of format mlm")
    languages: Annotated[list[Name], Field(min_length=1), Unique] | None = Field(
        None, description="languages of the text; null: all that its card has"
    )
    rate: Number = Field(0.5, gt=0, lt=1, description="share of the optimiser steps that are MLM's")
    mask: Number = Field(0.15, gt=0, lt=1, description="share of the tokens that are predicted")
    batch_size: int = Field(8, gt=0, description="texts per step (Phang et al. 2020, from memory)")
    max_length: int = Field(256, ge=16, le=8192, description="tokens of one text")
    max_examples: int | None = Field(None, gt=0, description="use so many texts of each language")


class TrainingChoices(Model):
    """Hyperparameters by scope; the narrower wins: all < stage < task < task in a stage."""

    all: Hyperparameters = Field(Hyperparameters(), description="for every training")
    intermediate: Hyperparameters = Field(Hyperparameters(), description="intermediate stage")
    recipe: Hyperparameters = Field(Hyperparameters(), description="target stage")
    tasks: dict[Name, Hyperparameters] = Field(default_factory=dict, description="by task name")
    intermediate_tasks: dict[Name, Hyperparameters] = Field(
        default_factory=dict, description="by task name, in the intermediate stage only"
    )
    recipe_tasks: dict[Name, Hyperparameters] = Field(
        default_factory=dict, description="by task name, in the target stage only"
    )

    def of_stage(self, stage: Literal["intermediate", "recipe"]) -> dict[str, Hyperparameters]:
        """Those of single tasks in one stage."""
        return self.intermediate_tasks if stage == "intermediate" else self.recipe_tasks


class Evaluation(Model):
    """How checkpoints are evaluated."""

    max_examples: Limits = Field(
        None,
        description="score the first so many examples of a language; null: all. Retrieval: so many "
        "queries among their own right candidates, which is easier than the whole. "
        "A number for all targets, or numbers by target (key `default` for the others)",
    )
    batch_tokens: int = Field(8192, gt=0, description="tokens that one forward pass may hold")
    layer_sweep: bool = Field(
        True, description="nearest-neighbour retrieval: score every layer, beside the official one"
    )

    def limit(self, target: str) -> int | None:
        """How many examples of a language of this target are scored; None means all."""
        limits = self.max_examples
        if isinstance(limits, dict):
            return limits.get(target, limits.get("default"))
        return limits


class Compute(Model):
    """What decides the last bits of a result, and therefore belongs to its identity."""

    precision: Literal["fp32", "bf16", "auto"] = Field(
        "auto", description="auto: bf16 autocast where the device computes in it, else fp32"
    )
    threads: int = Field(1, gt=0, description="CPU threads of one process; sums are cut by them")
    micro_batch_tokens: int = Field(
        16384, gt=0, description="tokens in one forward and backward pass of a training"
    )
    gpus: int = Field(
        1,
        gt=0,
        description="GPUs of one node that share a training, a process each; where there are none, "
        "as many processes on CPUs",
    )


class Study(Model):
    """One study file."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        description="name; the results go to <results>/<study>/"
    )
    encoders: Names = Field(description="cards in config/encoders/")
    conditions: Conditions = Field(
        description="none, an intermediate task, <task>@<language>[+<language>...] for its "
        "training data in these languages, or multi; each but none also with +mlm"
    )
    targets: Names = Field(description="cards in config/tasks/ that have a test split")
    languages: LanguageChoices = Field(
        "all",
        description="all, low_resource (Joshi 0-2), a list, or these by target (key `default`)",
    )
    recipes: dict[Name, Name] = Field(
        default_factory=dict, description="train another task of the format in a recipe's place"
    )
    seeds: Annotated[list[Seed], Field(min_length=1), Unique] = Field(
        description="one whole grid for each"
    )
    training: TrainingChoices = TrainingChoices()
    multi: Multi = Multi()
    mlm: Mlm = Mlm()
    evaluation: Evaluation = Evaluation()
    compute: Compute = Compute()
    cards: Name | None = Field(
        None, description="folder with tasks/, encoders/ and languages.tsv, in place of config/"
    )
    mirror: Name | None = Field(None, description="folder of raw files that is tried first")
    store: Name | None = Field(
        None, description="folder or s3://bucket/prefix of checkpoints that runs share"
    )
    results: Name = Field("results", description="folder of the results")
    resources: Name = Field("resources", description="folder of downloads and examples, shared")


@dataclass(frozen=True)
class Condition:
    """What comes between pretraining and the recipe: nothing, one task or several.

    ``languages``: of the training data, where the study names them (``<task>@<language>``); empty
    means each task's own, which is English. ``mlm``: masked language modelling is mixed in.
    """

    name: str
    tasks: tuple[str, ...]
    languages: tuple[str, ...] = ()
    mlm: bool = False


def read_condition(name: str) -> Condition:
    """Take a condition's name apart; ``multi`` and ``none`` have no tasks yet.

    >>> read_condition("mnli@de+ru+mlm")
    Condition(name='mnli@de+ru+mlm', tasks=('mnli',), languages=('de', 'ru'), mlm=True)
    """
    base, mlm = name.removesuffix(WITH_MLM), name.endswith(WITH_MLM)
    task, _, languages = base.partition("@")
    tasks = () if task in (NONE, MULTI) else (task,)
    return Condition(name, tasks, tuple(languages.split("+")) if languages else (), mlm)


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
        if condition.name != NONE and _base(condition.name) == NONE:
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
        return [_base(name) for name in self.study.conditions]

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


def _base(condition: str) -> str:
    return condition.removesuffix(WITH_MLM).partition("@")[0]


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
