"""A study together with the cards that it names: its conditions, languages and recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xstilts.config.checks import problems
from xstilts.config.hub_encoders import cards_by_entry
from xstilts.config.study import Study
from xstilts.config.yaml_models import load
from xstilts.errors import StudyError

if TYPE_CHECKING:
    from xstilts.config.catalogue import Catalogue
    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.study import StageKind


@dataclass(frozen=True)
class ScoreKey:
    """What names one score of the grid."""

    encoder: str
    condition: str
    seed: int
    target: str
    language: str


class ResolvedStudy:
    """A study and its cards. `resolve` builds it, after it has found no problem."""

    def __init__(self, study: Study, cards: Catalogue) -> None:
        """Look up the cards of all targets, and the languages that the study wants of each."""
        self.study, self.cards = study, cards
        self.claims = cards.claims(Path(study.claims) if study.claims else None)
        self.conditions = {name: study.condition(name) for name in study.conditions}
        self.targets = {name: cards.task(name) for name in study.targets}
        self.languages = {
            name: cards.select_languages(card.split_languages("test"), study.language_choice(name))
            for name, card in self.targets.items()
        }

    def score_keys(self) -> list[ScoreKey]:
        """The keys of all scores, in reading order."""
        return [
            ScoreKey(encoder, condition, seed, target, language)
            for encoder in self.study.encoders
            for condition in self.conditions
            for seed in self.study.seeds_of(condition)
            for target in self.targets
            for language in self.languages[target]
        ]

    def recipes(self) -> list[str]:
        """The tasks that targets are fine-tuned on, each once, earlier stages first."""
        last = (recipe for target in self.targets if (recipe := self.recipe_of(target)))
        return list(dict.fromkeys(task for recipe in last for task in self._chain(recipe)))

    def previous_stage(self, recipe: str) -> str | None:
        """The recipe whose checkpoint a recipe starts from (SIQA for COPA); mostly None."""
        return self.cards.task(recipe).follows

    def recipe_of(self, target: str) -> str | None:
        """The task that a target is fine-tuned on; None where the target needs no training."""
        return self.study.recipe_of(self.cards.task(target))

    def benchmark_tasks(self, target: str) -> set[str]:
        """The tasks of a target's benchmark: itself, the recipe of its card, and their parts."""
        recipe = self.cards.task(target).recipe
        chain = self._chain(recipe) if recipe in self.cards.tasks else []
        parts = (part for task in chain for part in self.cards.task(task).parts)
        return {target, *chain, *parts}

    def stage_of(self, target: str) -> str:
        """The stage whose checkpoint a target is scored with: its recipe, or ``intermediate``."""
        return self.recipe_of(target) or "intermediate"

    def hyperparameters(self, task: str, stage: StageKind) -> Hyperparameters:
        """A task's hyperparameters in a stage: defaults, then the card's, then the study's."""
        return self.study.hyperparameters(self.cards.task(task), stage)

    def _chain(self, recipe: str) -> list[str]:
        """A recipe and the recipes that are trained before it, the first of them first."""
        previous = self.previous_stage(recipe)
        return [*(self._chain(previous) if previous else []), recipe]


def resolve(config: dict[str, Any], where: str, cards: Catalogue) -> ResolvedStudy:
    """Build a study from configuration and check it against its cards.

    ``cards`` is the project's catalogue; a study may name another with the key ``cards``. Raises
    one `StudyError` with a line for each problem. A line begins with ``where``, the file that
    ``config`` was read from, or with the path of the card that is at fault.
    """
    study = load(Study, config, where)
    if study.cards:
        try:
            cards = cards.of(study.cards)
        except StudyError as error:
            raise StudyError(f"{where}: {error}") from None
    try:
        hub = cards_by_entry(study.encoders)
    except StudyError as error:
        raise StudyError(f"{where}: {error}") from None
    if hub:
        names = [hub[entry].encoder if entry in hub else entry for entry in study.encoders]
        study = study.model_copy(update={"encoders": names})
        cards = cards.with_encoders(hub.values())
    if found := problems(study, cards):
        raise StudyError("\n".join(f"{where}: {problem}" for problem in found))
    return ResolvedStudy(study, cards)
