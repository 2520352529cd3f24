"""The best of several conditions, without the winner's curse.

The condition with the highest mean is partly the luckiest, in its trainings and in the languages
of the benchmark. So it is chosen on all seeds but one and all families but one, and what counts is
its score in the training and the family that were left out, in rotation. A choice on other data
of the same trainings would not help: both share the trainings' luck.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xstilts.analysis.statistics.contrast import Contrast, contrast_of
from xstilts.analysis.statistics.variance import components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.analysis.statistics.contrast import Runs
    from xstilts.analysis.statistics.design import Design, Floats
    from xstilts.analysis.statistics.variance import Components


def best_of(
    design: Design, conditions: Sequence[Runs], baseline: Runs, *, each_target: bool = False
) -> Contrast:
    """The gain of the best of ``conditions`` in languages like these; see `best_components`.

    It has no interval for exactly these languages, because it is chosen without the one it counts
    in.
    """
    fewest = min(conditions, key=lambda runs: runs.trainings)
    if fewest.trainings < 2:
        reason = "one training of a condition: choosing needs another one than scoring"
        return Contrast(np.nan, reason=reason, baseline_seeds=baseline.trainings, seeds=1)
    scores = [runs.distinct for runs in conditions]
    parts = best_components(design, scores, baseline.distinct, each_target=each_target)
    return replace(contrast_of(parts, design, fewest, baseline), these=None)


def best_components(
    design: Design, conditions: Sequence[Floats], baseline: Floats, *, each_target: bool = False
) -> Components:
    """The parts of the variance of the best condition's gain.

    ``conditions``: scores of each, shape (..., U, S), with at least two seeds; of unequal numbers
    of seeds the smallest counts. ``baseline``: shape (..., U, S'). ``each_target``: choose a
    condition for each target instead of one for all.

    The folds overlap, so that the variance between them is too small (Nadeau and Bengio 2003):
    `widening` makes up for it, for trainings and for families.
    """
    seeds = min(scores.shape[-1] for scores in conditions)
    chosen = cross_fitted(design, np.stack([y[..., :seeds] for y in conditions]), each_target)
    parts = components(design, chosen, baseline)
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


def cross_fitted(design: Design, scores: Floats, each_target: bool = False) -> Floats:
    """The scores of the chosen conditions, shape (..., U, S), from (C, ..., U, S).

    The entry of a unit and a seed is that of the condition with the highest weighted mean over the
    other seeds and the other families; with a single family, over the other seeds.
    """
    seeds = scores.shape[-1]
    others = (scores.sum(-1, keepdims=True) - scores) / (seeds - 1)
    found = np.empty(scores.shape[1:])
    scopes = np.unique(design.targets) if each_target else [None]
    families = np.unique(design.families)
    for scope in scopes:
        inside = np.ones(len(design.targets), bool) if scope is None else design.targets == scope
        for family in families:
            scored = inside & (design.families == family)
            read = inside & (design.families != family)
            if not read.any():
                read = inside
            means = np.einsum("u,c...us->c...s", design.weights[read], others[..., read, :])
            winner = means.argmax(0)[None, ..., None, :]
            found[..., scored, :] = np.take_along_axis(scores[..., scored, :], winner, 0)[0]
    return found
