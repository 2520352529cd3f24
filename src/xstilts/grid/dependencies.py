"""What is trained and evaluated, in which order, and what each of these reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.resolve import ResolvedStudy
from xstilts.grid.keys import INTERMEDIATE, Examples, Key, kind_of


class Flow:
    """The trainings and evaluations of a resolved study, and what each of them reads."""

    def __init__(self, resolved: ResolvedStudy) -> None:
        """Read nothing yet."""
        self.resolved, self.study, self.cards = resolved, resolved.study, resolved.cards
        self._hyperparameters: dict[tuple[str, str], Hyperparameters] = {}

    # -- trainings --------------------------------------------------------------------------------

    def trainings(self) -> list[Key]:
        """Every training as (encoder, condition, seed, stage); what others start from first."""
        found: dict[Key, None] = {}

        def add(encoder: str, condition: str, seed: int, stage: str) -> None:
            before = self.stage_before(condition, stage)
            if before is not None:
                add(encoder, condition, seed, before)
            found[encoder, condition, seed, stage] = None

        for encoder in self.study.encoders:
            for seed in self.study.seeds:
                for condition, stage in self._trainings():
                    add(encoder, condition, seed, stage)
        return list(found)

    def _trainings(self) -> Iterator[tuple[str, str]]:
        """Every condition and stage in which something is trained."""
        conditions, recipes = self.resolved.conditions, self.resolved.recipes()
        yield from ((condition, INTERMEDIATE) for condition in conditions if condition != NONE)
        yield from ((condition, recipe) for recipe in recipes for condition in conditions)

    def stage_before(self, condition: str, stage: str) -> str | None:
        """The training that a training goes on from; None: it starts from the encoder."""
        if stage == INTERMEDIATE:
            return None
        before = self.resolved.previous_stage(stage)
        return before or (INTERMEDIATE if condition != NONE else None)

    def head_from(self, stage: str) -> str | None:
        """The task whose trained head a recipe goes on with: that of the recipe before it."""
        return None if stage == INTERMEDIATE else self.resolved.previous_stage(stage)

    def training_tasks(self, condition: str, stage: str) -> tuple[str, ...]:
        """The tasks that a training stage fine-tunes on."""
        return self.resolved.conditions[condition].tasks if stage == INTERMEDIATE else (stage,)

    def hyperparameters(
        self, task: str, kind: Literal["intermediate", "recipe"]
    ) -> Hyperparameters:
        """A task's resolved hyperparameters."""
        if (task, kind) not in self._hyperparameters:
            self._hyperparameters[task, kind] = self.resolved.hyperparameters(task, kind)
        return self._hyperparameters[task, kind]

    # -- evaluations ------------------------------------------------------------------------------

    def evaluations(self) -> list[Key]:
        """Encoder, condition, seed and target of every evaluation, in reading order."""
        return [
            (encoder, condition, seed, target)
            for encoder in self.study.encoders
            for condition in self.resolved.conditions
            for seed in self.study.seeds
            for target in self.resolved.targets
        ]

    def read_as(self, target: str) -> str:
        """The task whose labels and lengths a target is read with: its recipe's, if one has a head.

        A retrieval target has none: whatever its checkpoint was trained on, it is pooled.
        """
        if not self.cards.schema(target).trained_by_recipe:
            return target
        return self.resolved.recipe_of(target) or target

    def limits(self, target: str) -> Hyperparameters:
        """How much of a target's inputs is read: as much as of its recipe's, if it has its head."""
        return self.hyperparameters(self.read_as(target), "recipe")

    def retrieval_layer(self, encoder: str, target: str) -> int | None:
        """The hidden state that a retrieval target is read from; None: the last one.

        An encoder that was trained for retrieval is read where it was trained, at the end.
        """
        recipe = self.resolved.recipe_of(target)
        schema = self.cards.schema(target)
        if schema.trained_by_recipe or (recipe and self.cards.schema(recipe) is schema):
            return None
        return self.cards.encoder(encoder).retrieval_layer

    def layer_sweep(self, target: str) -> bool:
        """Whether a target is scored at every layer."""
        return self.study.evaluation.layer_sweep and self.cards.task(target).scorer == "nearest"

    # -- examples ---------------------------------------------------------------------------------

    def needed_examples(self) -> list[tuple[str, str, list[str]]]:
        """Every task and split that the grid reads, with its languages."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for condition, stage in self._trainings():
            for task, split, language in self.examples_of_training(condition, stage):
                found.setdefault((task, split), {})[language] = None
        for target, languages in self.resolved.languages.items():
            for split in self.read_of(target):
                found.setdefault((target, split), {}).update(dict.fromkeys(languages))
        return [(task, split, list(languages)) for (task, split), languages in found.items()]

    def examples_of(self, split: str) -> list[Examples]:
        """Task, split and language of all examples of a split that the grid reads."""
        return [
            (task, split, language)
            for task, name, languages in self.needed_examples()
            if name == split
            for language in languages
        ]

    def examples_of_training(self, condition: str, stage: str) -> list[Examples]:
        """Task, split and language of all examples that a training reads."""
        tasks = self.training_tasks(condition, stage)
        read = [of for task in tasks for of in self.train_split(condition, stage, task)]
        read += [of for task in tasks for of in self.dev_split(task, stage)]
        if self.mixes_mlm(condition, stage):
            read += self.mlm_text()
        return list(dict.fromkeys(read))

    def train_split(self, condition: str, stage: str, task: str) -> list[Examples]:
        """Task, split and language of a task's training examples, in the order they are joined."""
        card = self.cards.task(task)
        languages = self.resolved.conditions[condition].languages if stage == INTERMEDIATE else ()
        return [
            (part, "train", language)
            for part in card.parts or [task]
            for language in languages or (card.training_language,)
        ]

    def dev_split(self, task: str, stage: str) -> list[Examples]:
        """The English examples that select a task's checkpoint; none where the last one is kept."""
        if self.hyperparameters(task, kind_of(stage)).selection == "last":
            return []
        cards = [self.cards.task(task)]
        if "dev" not in cards[0].splits:
            cards = [self.cards.task(part) for part in cards[0].parts]
        language = self.cards.task(task).training_language
        having = (card for card in cards if "dev" in card.splits)
        return [(c.task, "dev", language) for c in having if language in c.split_languages("dev")]

    def mixes_mlm(self, condition: str, stage: str) -> bool:
        """Whether masked language modelling is mixed into a training."""
        return stage == INTERMEDIATE and self.resolved.conditions[condition].mlm

    def mlm_text(self) -> list[Examples]:
        """Task, split and language of the text for masked language modelling."""
        text = str(self.study.mlm.text)
        chosen = self.study.mlm.languages or self.cards.task(text).split_languages("train")
        return [(text, "train", language) for language in chosen]

    def read_of(self, target: str) -> list[str]:
        """The splits of a target that its evaluation reads."""
        tuned_on = self.cards.task(target).tuned_on
        return ["test", tuned_on] if tuned_on not in (None, "test") else ["test"]
