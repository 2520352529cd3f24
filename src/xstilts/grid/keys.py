"""Keys of the grid: what names a training, an evaluation and a set of examples."""

from __future__ import annotations

from typing import Literal

INTERMEDIATE = "intermediate"
Key = tuple[str, str, int, str]
"""Encoder, condition, seed, and the stage of a training or the target of an evaluation."""
Examples = tuple[str, str, str]
"""Task, split and language."""


def kind_of(stage: str) -> Literal["intermediate", "recipe"]:
    """Which of the two stages of STILTs a training is, for its hyperparameters."""
    return "intermediate" if stage == INTERMEDIATE else "recipe"
