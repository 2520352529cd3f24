"""Which of a training's states is kept as its checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass
class SelectionHistory:
    """The evaluations on development data so far; it is a part of a training's saved state.

    ``best_step``: 0 before the first evaluation; ``constant``: the tasks whose predictions are all
    identical in the best state.
    """

    evaluations: int = 0
    without_gain: int = 0
    best_step: int = 0
    best_score: float = -np.inf
    best_scores: dict[str, float] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)

    def update(self, step: int, scores: dict[str, float], constant: list[str]) -> bool:
        """Add an evaluation; gives whether it is the best so far (a tie is not)."""
        self.evaluations += 1
        score = sum(scores.values()) / len(scores)
        better = score > self.best_score
        self.without_gain = 0 if better else self.without_gain + 1
        if better:
            self.best_step, self.best_score, self.best_scores = step, score, scores
            self.constant = constant
        return better

    def as_json(self) -> dict[str, Any]:
        """For a saved state; JSON gives floats back exactly."""
        return asdict(self)
