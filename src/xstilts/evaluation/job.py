"""What one evaluation needs: plain values, no state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xstilts.config.hyperparameters import Hyperparameters
    from xstilts.config.study import Compute, Evaluation


@dataclass(frozen=True)
class EvaluationJob:
    """One evaluation, whole, in the languages that ``examples`` gives a stamp for.

    ``kept``: the languages whose score another version of the code computed, and the study keeps.
    ``tuning``: the examples that the scorer's threshold is chosen on, by language; the scored ones
    themselves where there are none. ``sweep``: score every layer, not only ``layer``.
    """

    spec: str
    identity: dict[str, Any]  # encoder, condition, seed, target: what the scores are of
    task_type: str
    labels: tuple[str, ...]
    scorer: str
    primary: str
    encoder: Path  # stamp
    checkpoint: Path  # stamp; the encoder's own where nothing was trained
    head: str | None  # the recipe whose head is read
    layer: int | None  # hidden state for retrieval
    limits: Hyperparameters
    evaluation: Evaluation
    compute: Compute
    score_file: Path  # of all languages
    examples: dict[str, Path]
    work: Path  # folder, undeclared to Snakemake
    tuning: Mapping[str, Path] = field(default_factory=dict)
    tuned_on: str | None = None  # the split of these
    sweep: bool = False
    kept: frozenset[str] = frozenset()
    specs: Mapping[Path, str] = field(default_factory=dict)  # digest that each stamp must have
    redo_before: float | None = None  # a score file older than this is computed again
