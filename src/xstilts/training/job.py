"""What one training needs: plain values, no state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.study import Compute, Mlm, Multi


@dataclass(frozen=True)
class TaskJob:
    """One task to train on: its examples and how.

    ``examples`` are the stamps of its training data, read one after the other (parts of a task, or
    the same task in several languages); ``dev`` those of the split that the best checkpoint is
    chosen on, scored with ``scorer`` and its metric ``primary``. With ``head_from`` the head is not
    new but the one that the start checkpoint has of that name, where it has the same shape. With
    ``shuffle_seed`` the examples have one another's answers (`xstilts.tasks.shuffling`).
    """

    name: str
    task_type: str
    labels: tuple[str, ...]
    examples: tuple[Path, ...]
    hyperparameters: Hyperparameters
    scorer: str
    primary: str
    dev: tuple[Path, ...] = ()
    head_from: str | None = None
    shuffle_seed: int | None = None


@dataclass(frozen=True)
class MlmJob:
    """Masked language modelling mixed in: stamps of its texts, and how much of it."""

    examples: tuple[Path, ...]
    choices: Mlm


@dataclass(frozen=True)
class StageSteps:
    """Another training, of which only the number of steps counts: its tasks, and ``mlm`` if it
    mixes masked language modelling in."""

    tasks: tuple[TaskJob, ...]
    mlm: Mlm | None = None


@dataclass(frozen=True)
class TrainingJob:
    """One training, whole: what it starts from, what it learns, where it leaves the result."""

    stamp: Path
    spec: str
    encoder: Path  # stamp of the encoder
    start: Path | None  # stamp of an earlier checkpoint
    tasks: tuple[TaskJob, ...]
    multi: Multi
    compute: Compute
    seed: int
    mlm: MlmJob | None = None
    more_steps: StageSteps | None = None  # as many steps are done beside the tasks' own
    save_every: float = 120.0  # seconds between saved states
    specs: Mapping[Path, str] = field(default_factory=dict)  # digest that each stamp must have
    redo_before: float | None = None  # what is older than this is trained again

    @property
    def folder(self) -> Path:
        """Where everything of this training lies."""
        return self.stamp.parent
