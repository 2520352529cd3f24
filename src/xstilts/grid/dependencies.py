"""What is trained and evaluated, in which order, and what each of these reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xstilts.grid.keys import (
    INTERMEDIATE,
    EvaluationKey,
    ExamplesKey,
    TrainingKey,
    stage_kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.resolve import ResolvedStudy


class Dependencies:
    """The trainings and evaluations of a resolved study, and what each of them reads."""

    def __init__(self, resolved: ResolvedStudy) -> None:
        """Read no file."""
        self.resolved, self.study, self.cards = resolved, resolved.study, resolved.cards
        self._hyperparameters: dict[tuple[str, str], Hyperparameters] = {}

    # -- trainings --------------------------------------------------------------------------------

    def trainings(self) -> list[TrainingKey]:
        """Every training of the grid; a training comes after the one that it starts from."""
        ordered: dict[TrainingKey, None] = {}

        def add(key: TrainingKey) -> None:
            before = self.training_before(key)
            if before is not None:
                add(before)
            ordered[key] = None

        for encoder in self.study.encoders:
            for seed in self.study.all_seeds():
                for condition, stage in self.stages():
                    if seed in self.study.seeds_of(condition):
                        add(TrainingKey(encoder, condition, seed, stage))
        return list(ordered)

    def stages(self) -> Iterator[tuple[str, str]]:
        """Every condition and stage in which something is trained."""
        conditions, recipes = self.resolved.conditions, self.resolved.recipes()
        yield from (
            (name, INTERMEDIATE)
            for name, condition in conditions.items()
            if condition.has_intermediate_stage
        )
        yield from ((condition, recipe) for recipe in recipes for condition in conditions)

    def stage_before(self, condition: str, stage: str) -> str | None:
        """The stage that a stage starts from; None if it starts from the encoder."""
        if stage == INTERMEDIATE:
            return None
        before = self.resolved.previous_stage(stage)
        has_one = self.resolved.conditions[condition].has_intermediate_stage
        return before or (INTERMEDIATE if has_one else None)

    def training_before(self, key: TrainingKey) -> TrainingKey | None:
        """The training that a training starts from; None if it starts from the encoder."""
        before = self.stage_before(key.condition, key.stage)
        return None if before is None else key._replace(stage=before)

    def head_from(self, stage: str) -> str | None:
        """The recipe whose trained head this recipe continues with; None for a new head."""
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

    def is_shuffled(self, condition: str, stage: str) -> bool:
        """Whether the examples of a training have one another's answers."""
        return stage == INTERMEDIATE and self.resolved.conditions[condition].shuffled

    def training_hyperparameters(self, condition: str, stage: str, task: str) -> Hyperparameters:
        """A task's hyperparameters in a training.

        Shuffled examples keep the last checkpoint: no score tells which is the best for nothing.
        """
        found = self.hyperparameters(task, stage_kind(stage))
        if not self.is_shuffled(condition, stage):
            return found
        return found.model_copy(update={"selection": "last"})

    def more_steps_of(self, condition: str, stage: str) -> str | None:
        """The condition whose intermediate stage's steps a training takes beside its own.

        Of a recipe of several stages it is the first that takes them, which follows the
        intermediate stage in other conditions.
        """
        if stage == INTERMEDIATE or self.stage_before(condition, stage) is not None:
            return None
        return self.resolved.conditions[condition].steps_of

    # -- evaluations ------------------------------------------------------------------------------

    def evaluations(self) -> list[EvaluationKey]:
        """Every evaluation of the grid, in reading order."""
        return [
            EvaluationKey(encoder, condition, seed, target)
            for encoder in self.study.encoders
            for condition in self.resolved.conditions
            for seed in self.study.seeds_of(condition)
            for target in self.resolved.targets
        ]

    def evaluated_training(self, key: EvaluationKey) -> TrainingKey | None:
        """The training whose checkpoint a target is scored on; None for the encoder itself."""
        stage = self.resolved.stage_of(key.target)
        condition = self.resolved.conditions[key.condition]
        if stage == INTERMEDIATE and not condition.has_intermediate_stage:
            return None
        return TrainingKey(key.encoder, key.condition, key.seed, stage)

    def read_as(self, target: str) -> str:
        """The task whose labels and lengths a target is read with.

        It is the target's recipe if the target has that recipe's head. Retrieval targets have no
        head: their checkpoint's hidden states are pooled, whatever it was trained on.
        """
        if not self.cards.schema(target).trained_by_recipe:
            return target
        return self.resolved.recipe_of(target) or target

    def limits(self, target: str) -> Hyperparameters:
        """How many tokens of a target's inputs are read: as many as of the task it is read as."""
        return self.hyperparameters(self.read_as(target), "recipe")

    def retrieval_layer(self, encoder: str, target: str) -> int | None:
        """The hidden state that a retrieval target is read from; None for the last one.

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
        needed: dict[tuple[str, str], dict[str, None]] = {}
        for condition, stage in self.stages():
            for task, split, language in self.examples_of_training(condition, stage):
                needed.setdefault((task, split), {})[language] = None
        for target, languages in self.resolved.languages.items():
            for split in self.splits_read(target):
                needed.setdefault((target, split), {}).update(dict.fromkeys(languages))
        return [(task, split, list(languages)) for (task, split), languages in needed.items()]

    def examples_of_split(self, split: str) -> list[ExamplesKey]:
        """All examples of a split that the grid reads."""
        return [
            ExamplesKey(task, split, language)
            for task, name, languages in self.needed_examples()
            if name == split
            for language in languages
        ]

    def examples_of_training(self, condition: str, stage: str) -> list[ExamplesKey]:
        """All examples that a training reads."""
        tasks = self.training_tasks(condition, stage)
        read = [key for task in tasks for key in self.train_split(condition, stage, task)]
        read += [key for task in tasks for key in self.dev_split(condition, stage, task)]
        if (other := self.more_steps_of(condition, stage)) is not None:  # they count its steps
            others = self.training_tasks(other, INTERMEDIATE)
            read += [key for task in others for key in self.train_split(other, INTERMEDIATE, task)]
        if self.mixes_mlm(condition, stage):
            read += self.mlm_text()
        return list(dict.fromkeys(read))

    def train_split(self, condition: str, stage: str, task: str) -> list[ExamplesKey]:
        """A task's training examples, in the order in which they are joined."""
        card = self.cards.task(task)
        languages = self.resolved.conditions[condition].languages if stage == INTERMEDIATE else ()
        return [
            ExamplesKey(part, "train", language)
            for part in card.parts or [task]
            for language in languages or (card.training_language,)
        ]

    def dev_split(self, condition: str, stage: str, task: str) -> list[ExamplesKey]:
        """The English examples that select a task's checkpoint; empty if the last one is kept."""
        if self.training_hyperparameters(condition, stage, task).selection == "last":
            return []
        cards = [self.cards.task(task)]
        if "dev" not in cards[0].splits:
            cards = [self.cards.task(part) for part in cards[0].parts]
        language = self.cards.task(task).training_language
        with_dev = (card for card in cards if "dev" in card.splits)
        return [
            ExamplesKey(card.task, "dev", language)
            for card in with_dev
            if language in card.split_languages("dev")
        ]

    def mixes_mlm(self, condition: str, stage: str) -> bool:
        """Whether masked language modelling is mixed into a training."""
        return stage == INTERMEDIATE and self.resolved.conditions[condition].mlm

    def mlm_text(self) -> list[ExamplesKey]:
        """The text for masked language modelling."""
        text = str(self.study.mlm.text)
        chosen = self.study.mlm.languages or self.cards.task(text).split_languages("train")
        return [ExamplesKey(text, "train", language) for language in chosen]

    def splits_read(self, target: str) -> list[str]:
        """The splits of a target that its evaluation reads: test, then the one for a threshold."""
        tuned_on = self.cards.task(target).tuned_on
        return ["test", tuned_on] if tuned_on not in (None, "test") else ["test"]

    def score_inputs(self, target: str, language: str) -> dict[str, ExamplesKey]:
        """The examples that a score is computed from, by the role that its ``inputs`` give them."""
        splits = zip(("examples", "tuning"), self.splits_read(target), strict=False)
        return {role: ExamplesKey(target, split, language) for role, split in splits}
