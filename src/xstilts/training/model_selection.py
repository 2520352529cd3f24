"""Which of a training's states is kept as its checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Record:
    """What the evaluations have told so far; it is a part of a training's saved state."""

    evaluations: int = 0
    without_gain: int = 0
    best_step: int = 0  # 0: none yet
    best_score: float = -np.inf
    best_scores: dict[str, float] = field(default_factory=dict)
    collapsed: list[str] = field(default_factory=list)  # tasks that the best gives one answer to
    crc32: int = 0  # of the file of the best checkpoint

    def take(self, step: int, scores: dict[str, float], collapsed: list[str]) -> bool:
        """Note an evaluation; gives whether it is the best so far."""
        self.evaluations += 1
        score = sum(scores.values()) / len(scores)
        better = score > self.best_score
        self.without_gain = 0 if better else self.without_gain + 1
        if better:
            self.best_step, self.best_score, self.best_scores = step, score, scores
            self.collapsed = collapsed
        return better

    def as_json(self) -> dict[str, Any]:
        """For a saved state; floats as JSON writes them are read back exactly."""
        return asdict(self)


def best_file(folder: Path, step: int) -> Path:
    """Where the best checkpoint lies, beside the saved state that names its step."""
    return folder / f"best-{step}.safetensors"


def forget_others(folder: Path, steps: set[int]) -> None:
    """Delete the best checkpoints but those of these steps."""
    kept = {best_file(folder, step).name for step in steps}
    for path in folder.glob("best-*.safetensors"):
        if path.name not in kept:
            path.unlink(missing_ok=True)
