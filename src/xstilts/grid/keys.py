"""Keys of the grid: what names a training, an evaluation and a set of examples."""

from __future__ import annotations

from typing import Literal, NamedTuple

INTERMEDIATE = "intermediate"
"""The stage of a training on intermediate tasks; every other stage bears its recipe's name."""


class TrainingKey(NamedTuple):
    """One fine-tuning. ``stage`` is `INTERMEDIATE`, or the recipe that is trained."""

    encoder: str
    condition: str
    seed: int
    stage: str

    def __str__(self) -> str:
        """As in paths: ``<encoder>/<condition>/seed<k>/<stage>``."""
        return f"{self.encoder}/{self.condition}/seed{self.seed}/{self.stage}"


class EvaluationKey(NamedTuple):
    """One checkpoint scored on one target, in all the languages that the study chooses."""

    encoder: str
    condition: str
    seed: int
    target: str

    def __str__(self) -> str:
        """As in paths: ``<encoder>/<condition>/seed<k>/<target>``."""
        return f"{self.encoder}/{self.condition}/seed{self.seed}/{self.target}"


class ExamplesKey(NamedTuple):
    """The examples of one task, split and language."""

    task: str
    split: str
    language: str


def stage_kind(stage: str) -> Literal["intermediate", "recipe"]:
    """Which of the two stages of STILTs a training is, for its hyperparameters."""
    return "intermediate" if stage == INTERMEDIATE else "recipe"
