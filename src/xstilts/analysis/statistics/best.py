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
    """The gain of the best of ``conditions``; see `best_components`."""
    fewest = min(conditions, key=lambda runs: runs.trainings)
    if fewest.trainings < 2:
        reason = "one training of a condition: choosing needs another one than scoring"
        return Contrast(np.nan, reason=reason, baseline_seeds=baseline.trainings, seeds=1)
    scores = [runs.distinct for runs in conditions]
    parts = best_components(design, scores, baseline.distinct, each_target=each_target)
    return contrast_of(parts, design, fewest, baseline)


def best_components(
    design: Design, conditions: Sequence[Floats], baseline: Floats, *, each_target: bool = False
) -> Components:
    """The parts of the variance of the best condition's gain.

    ``conditions``: scores of each, shape (..., U, S), with at least two seeds; of unequal numbers
    of seeds the smallest counts. ``baseline``: shape (..., U, S'). ``each_target``: choose a
    condition for each target instead of one for all.

    The folds share trainings, so the variance over seeds is widened from 1 / S to
    1 / S + 1 / (S - 1) (Nadeau and Bengio 2003, with one of S seeds left out).
    """
    seeds = min(scores.shape[-1] for scores in conditions)
    chosen = cross_fitted(design, np.stack([y[..., :seeds] for y in conditions]), each_target)
    parts = components(design, chosen, baseline)
    widening = 1 + seeds / (seeds - 1)
    first, second = parts.trainings
    first = replace(first, variance=first.variance * widening, overlap=first.overlap * widening)
    return replace(parts, trainings=(first, second))


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
