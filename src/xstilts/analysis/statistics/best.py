"""The best of several conditions, without the winner's curse.

The condition with the highest mean is partly the luckiest, in its trainings and in the languages
of the benchmark. So it is chosen on all seeds but one and all families but one, and what counts is
its score in the training and the family that were left out, in rotation. A choice on other data
of the same trainings would not help: both share the trainings' luck.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from xstilts.analysis.statistics.contrast import Contrast, contrast_of
from xstilts.analysis.statistics.variance import components

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from xstilts.analysis.statistics.contrast import ItemNoise, Runs
    from xstilts.analysis.statistics.design import Design, Floats
    from xstilts.analysis.statistics.variance import Components


@dataclass(frozen=True)
class Choice:
    """How the best condition is chosen: on other seeds and other families, by test scores.

    ``each_target``: a condition for each target in place of one for all. ``dev``: development
    scores by the number of a target, shape (C, S), which then decide for it, on other seeds alone.
    """

    each_target: bool = False
    dev: Mapping[int, Floats] = field(default_factory=dict)


def best_of(
    design: Design,
    conditions: Sequence[Runs],
    baseline: Runs,
    rule: Choice,
    *,
    noise: Callable[[Floats], ItemNoise | None] = lambda shares: None,
) -> Contrast:
    """The gain of the best of ``conditions`` in languages like these; see `best_components`.

    It has no interval for exactly these languages, because it is chosen without the one it counts
    in. ``noise`` tells the noise of test items from the share of the seeds in which a unit's score
    is that of a condition, shape (C, U).
    """
    fewest = min(conditions, key=lambda runs: runs.trainings)
    if fewest.trainings < 2:
        reason = "one training of a condition: choosing needs another one than scoring"
        return Contrast(np.nan, reason=reason, baseline_seeds=baseline.trainings, seeds=1)
    scores = _of_equal_seeds([runs.distinct for runs in conditions])
    choice = choices(design, scores, rule)
    items = noise(np.stack([np.mean(choice == c, axis=-1) for c in range(len(conditions))]))
    shared = items.shared if items else 0.0
    parts = best_components(design, scores, baseline.distinct, choice, items=shared)
    return replace(contrast_of(parts, design, fewest, baseline, items=items), these=None)


def _of_equal_seeds(conditions: Sequence[Floats]) -> Floats:
    """The scores of all conditions, shape (C, ..., U, S), with as many seeds as the fewest."""
    seeds = min(scores.shape[-1] for scores in conditions)
    return np.stack([scores[..., :seeds] for scores in conditions])


def best_components(
    design: Design,
    conditions: Floats,
    baseline: Floats,
    choice: NDArray[np.intp],
    *,
    items: Floats | float = 0.0,
) -> Components:
    """The parts of the variance of the best condition's gain.

    ``conditions``: scores of each, shape (C, ..., U, S), with at least two seeds. ``baseline``:
    shape (..., U, S'). ``choice``: that of `choices`. ``items``: as for `components`.

    The folds overlap, so that the variance between them is too small (Nadeau and Bengio 2003):
    `widening` makes up for it, for trainings and for families.
    """
    seeds = conditions.shape[-1]
    parts = components(design, chosen(conditions, choice), baseline, items)
    first, second = parts.trainings
    wider = widening(seeds)
    first = replace(first, variance=first.variance * wider, overlap=first.overlap * wider)
    families = len(np.unique(design.families))
    return replace(parts, trainings=(first, second), language=parts.language * widening(families))


def widening(folds: int) -> float:
    """The factor that the variance of a cross-fitted choice among equals needs.

    Nadeau and Bengio's is 1 + folds / (folds - 1), which is 2.5 for 3 folds and 2.1 for 10. In
    simulations of nine equal conditions 3, 5 and 10 folds need 2.5, 2.7 and 2.9. Where one
    condition is clearly the best, the interval is wider than it had to be.
    """
    return 3 - 1.5 / folds


def choices(design: Design, scores: Floats, rule: Choice) -> NDArray[np.intp]:
    """The condition that each unit is scored with in each seed, shape (..., U, S).

    ``scores``: of each condition, shape (C, ..., U, S). The choice is the condition with the
    highest weighted mean over the other seeds and the other families; with a single family, over
    the other seeds.
    """
    others = _over_other_seeds(scores)
    found = np.empty(scores.shape[1:], np.intp)
    scopes = np.unique(design.targets) if rule.each_target else [None]
    families = np.unique(design.families)
    for scope in scopes:
        inside = np.ones(len(design.targets), bool) if scope is None else design.targets == scope
        dev = None if scope is None else rule.dev.get(int(scope))
        if dev is not None:
            found[..., inside, :] = _over_other_seeds(dev).argmax(0)
            continue
        for family in families:
            scored = inside & (design.families == family)
            read = inside & (design.families != family)
            if not read.any():
                read = inside
            means = np.einsum("u,c...us->c...s", design.weights[read], others[..., read, :])
            found[..., scored, :] = means.argmax(0)[..., None, :]
    return found


def _over_other_seeds(scores: Floats) -> Floats:
    """The mean over the other seeds, in place of each seed's score; shape (..., S)."""
    return np.asarray((scores.sum(-1, keepdims=True) - scores) / (scores.shape[-1] - 1))


def chosen(scores: Floats, choice: NDArray[np.intp]) -> Floats:
    """The scores of the chosen conditions, shape (..., U, S), from those of all, (C, ..., U, S)."""
    return np.asarray(np.take_along_axis(scores, choice[None], 0)[0])
