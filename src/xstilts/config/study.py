"""The study file: which grid to build. Validated against the cards before anything runs.

score = f(encoder, condition, seed, target, language)
gain = score(condition) - score(none), same encoder, target, language and seed
"""

from __future__ import annotations

import re
import reprlib
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from xstilts.config.conditions import MULTI, NONE, Condition, base_of, parse_condition
from xstilts.config.hyperparameters import Hyperparameters
from xstilts.config.yaml_models import (
    Count,
    DistinctNames,
    Folder,
    Model,
    Name,
    Number,
    Unique,
    yaml_kind,
)

if TYPE_CHECKING:
    from xstilts.config.task_card import TaskCard

NAME, LONGEST_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*", 64
StageKind = Literal["intermediate", "recipe"]


def _with_baseline(conditions: list[str]) -> list[str]:
    if NONE not in conditions:
        raise ValueError("needs 'none', the baseline of every gain")
    return conditions


def _study_name(value: object) -> object:
    if isinstance(value, str) and not (re.fullmatch(NAME, value) and len(value) <= LONGEST_NAME):
        raise ValueError(
            f"{reprlib.repr(value)} cannot name a folder of results; use at most {LONGEST_NAME} "
            "letters, digits, '_', '.' and '-', the first a letter or digit"
        )
    return value


Names = Annotated[DistinctNames, Field(min_length=1)]
Conditions = Annotated[Names, AfterValidator(_with_baseline)]
StudyName = Annotated[
    str, Field(pattern=f"^{NAME}$", max_length=LONGEST_NAME), BeforeValidator(_study_name)
]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
SeedList = Annotated[list[Seed], Field(min_length=1), Unique]
DEFAULT = "default"
"""The key of a choice by condition or target that is for all others."""
Limit = Count | None


def _word(value: object) -> object:
    if value not in ("all", "low_resource"):
        raise ValueError(f"{value!r} is neither all, nor low_resource, nor a list of codes")
    return value


Codes = Annotated[DistinctNames, Tag("<list>")]
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

Seeds = Annotated[
    Annotated[SeedList, Tag("<list>")]
    | Annotated[dict[Name, SeedList], Field(min_length=1), Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<list>"),
]


class Multi(Model):
    """The ``multi`` condition: every intermediate task of the study at once, one head each."""

    tasks: Annotated[DistinctNames, Field(min_length=2)] | None = Field(
        None, description="tasks that are mixed; null: those that are conditions by themselves"
    )
    cap: Count = Field(2**17, description="a task counts for at most so many examples")
    temperature: Number = Field(
        1.0, gt=0, description="p(task) ~ min(size, cap) ** (1/temperature)"
    )


class Mlm(Model):
    """Conditions that end in ``+mlm``: masked language modelling is mixed into them."""

    text: Name | None = Field(None, description="card of the text, of task type mlm")
    languages: Names | None = Field(
        None, description="languages of the text; null: all that its card has"
    )
    rate: Number = Field(0.5, gt=0, lt=1, description="share of the optimiser steps that are MLM's")
    mask: Number = Field(0.15, gt=0, lt=1, description="share of the tokens that are predicted")
    batch_size: Count = Field(8, description="texts per step (Phang et al. 2020, from memory)")
    max_length: int = Field(256, ge=16, le=8192, description="tokens of one text")
    max_examples: Count | None = Field(None, description="use so many texts of each language")


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

    def of_stage(self, stage: StageKind) -> dict[str, Hyperparameters]:
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
    batch_tokens: Count = Field(8192, description="tokens that one forward pass may hold")
    layer_sweep: bool = Field(
        True, description="nearest-neighbour retrieval: score every layer, beside the official one"
    )

    def limit(self, target: str) -> int | None:
        """How many examples of a language of this target are scored; None means all."""
        limits = self.max_examples
        if isinstance(limits, dict):
            return limits.get(target, limits.get(DEFAULT))
        return limits


class Compute(Model):
    """What decides the last bits of a result, and therefore belongs to its identity."""

    precision: Literal["fp32", "bf16", "auto"] = Field(
        "auto", description="auto: bf16 autocast where the device computes in it, else fp32"
    )
    threads: Count = Field(1, description="CPU threads of one process; sums are cut by them")
    micro_batch_tokens: Count = Field(
        16384, description="tokens in one forward and backward pass of a training"
    )


FOLDERS = ("results", "resources", "mirror", "cards", "claims")
"""Keys of a study that name folders and files of one machine: they decide no result."""


class Study(Model):
    """One study file."""

    study: StudyName = Field(description="name; the results go to <results>/<study>/")
    encoders: Names = Field(
        description="cards in config/encoders/, or hub:owner/name@commit for an encoder without "
        "one, which transformers' AutoModel computes"
    )
    conditions: Conditions = Field(
        description="none, an intermediate task, <task>@<language>[+<language>...] for its "
        "training data in these languages, or multi; each but none also with ~shuffled, the "
        "control of its answers, and with +mlm; none+steps-<condition> is the control of its steps"
    )
    targets: Names = Field(description="cards in config/tasks/ that have a test split")
    languages: LanguageChoices = Field(
        "all",
        description="all, low_resource (Joshi 0-2), a list, or these by target (key `default`)",
    )
    recipes: dict[Name, Name] = Field(
        default_factory=dict,
        description="train another task of the same task type in a recipe's place",
    )
    seeds: Seeds = Field(
        description="a list: every condition is trained with each; or lists by condition (key "
        "`default` for the others), so that the baseline can have more than the rest"
    )
    known_apart: dict[Name, DistinctNames] = Field(
        default_factory=dict,
        description="training task -> targets whose items it holds none of, although they look "
        "the same to the search for test items in training data",
    )
    training: TrainingChoices = TrainingChoices()
    multi: Multi = Multi()
    mlm: Mlm = Mlm()
    evaluation: Evaluation = Evaluation()
    compute: Compute = Compute()
    cards: Folder | None = Field(
        None, description="folder with tasks/, encoders/ and languages.tsv, in place of config/"
    )
    claims: Folder | None = Field(
        None, description="claims file, in place of claims.yaml in the folder of cards"
    )
    other_versions: Literal["compute", "keep"] = Field(
        "compute",
        description="scores that differ from what is asked for only in the version of the code or "
        "of the environment: compute them again, or keep them, named as such",
    )
    mirror: Folder | None = Field(None, description="folder of raw files that is tried first")
    results: Folder = Field("results", description="folder of the results")
    resources: Folder = Field(
        "resources",
        description="folder of encoders, examples and checkpoints, shared",
    )

    def condition(self, name: str) -> Condition:
        """One of the study's conditions; ``multi`` gets the tasks that it mixes."""
        condition = parse_condition(name)
        if base_of(name) != MULTI:
            return condition
        # sorted, because the order in which a study lists its conditions decides nothing
        return replace(condition, tasks=tuple(sorted(self.multi_tasks())))

    def seeds_of(self, condition: str) -> list[int]:
        """The seeds that a condition is trained with; none where the study names none for it."""
        if isinstance(self.seeds, dict):
            return self.seeds.get(condition, self.seeds.get(DEFAULT, []))
        return self.seeds

    def all_seeds(self) -> list[int]:
        """The seeds of all conditions, each once, in the order in which they are first named."""
        return list(dict.fromkeys(seed for c in self.conditions for seed in self.seeds_of(c)))

    def multi_tasks(self) -> list[str]:
        """The tasks of ``multi``: those that the study names, or its conditions of one task."""
        if self.multi.tasks:
            return self.multi.tasks
        read = map(parse_condition, self.conditions)
        return [condition.name for condition in read if condition.tasks == (condition.name,)]

    def recipe_of(self, target: TaskCard) -> str | None:
        """The task that a target is fine-tuned on: its card's recipe, unless it is replaced."""
        recipe = target.recipe
        return self.recipes.get(recipe, recipe) if recipe else None

    def tasks_apart_from(self, target: str) -> list[str]:
        """The training tasks that the study declares to hold no item of a target, sorted."""
        return sorted(task for task, targets in self.known_apart.items() if target in targets)

    def hyperparameters(self, task: TaskCard, stage: StageKind) -> Hyperparameters:
        """Defaults, then the card's values, then the study's, the widest scope first."""
        choices = self.training
        return Hyperparameters().patched(
            task.training,
            choices.all,
            getattr(choices, stage),
            choices.tasks.get(task.task),
            choices.of_stage(stage).get(task.task),
        )

    def language_choice(self, target: str) -> str | list[str]:
        """``all``, ``low_resource`` or a list of codes: the languages wanted of a target."""
        chosen = self.languages
        if isinstance(chosen, dict):
            return chosen.get(target, chosen.get(DEFAULT, "all"))
        return chosen
