"""The variance of a contrast of scores: what trainings share, and how languages differ.

    estimate  = mean over seeds of h'y[condition] - mean over seeds of h'y[baseline]
    trainings = V[condition] / S[condition] + V[baseline] / S[baseline]
    overlap   = the part of `trainings` that is noise of single (training, language) pairs
    language  = CR2 of the mean gains, clustered by family; it holds the overlap as well
    variance  = language + what is left of each of both trainings without its overlap, if positive

V is the variance over seeds of h'y, of each condition by itself: these variances differ by factors
between conditions, and a pooled one would make the noisiest condition look surer than it is. One
training serves all its languages, so its luck does not average out over them. The degrees of
freedom are Satterthwaite's. docs/report.md has the simulation that this form was chosen by.

All functions work on arrays with any number of leading dimensions, so that a simulation of
thousands of grids is one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xstilts.analysis.statistics.design import Design, Floats


MIXTURE = 0.6
"""Taken from the degrees of freedom of the language part as far as other parts join it. Where a
part with two degrees of freedom dominates others, Satterthwaite's are too many: with 3 families
and 10 seeds false positives fall from .073 to .065."""


@dataclass(frozen=True)
class TrainingPart:
    """What the seeds of one condition say; arrays of the leading shape of the scores."""

    mean: Floats
    """h'y, averaged over seeds."""
    variance: Floats
    """Of the mean: V / S. Zero for one training."""
    overlap: Floats
    """The share of `variance` that is noise of single (training, language) pairs."""
    df: float
    """S - 1; 0 for one training."""

    @property
    def shared(self) -> Floats:
        """The variance of the mean by what a training adds to all languages."""
        return np.maximum(self.variance - self.overlap, 0.0)


@dataclass(frozen=True)
class Components:
    """The parts of a contrast's variance, in squared points."""

    estimate: Floats
    trainings: tuple[TrainingPart, TrainingPart]
    """Of the condition and of the baseline."""
    language: Floats
    """CR2 of the mean gains; it contains the overlap."""
    language_df: float
    items: Floats
    """Persistent noise of test items that the question does not average out."""

    def like_these(self) -> tuple[Floats, Floats]:
        """Variance and degrees of freedom over trainings, languages and shared items."""
        shared = [(part.shared, part.df) for part in self.trainings]
        variance = self.language + shared[0][0] + shared[1][0]
        mixed = np.sqrt(1 - _ratio(self.language, variance + self.items))
        language_df = self.language_df - MIXTURE * mixed if self.language_df else 0.0
        df = _satterthwaite(self.items, *shared, (self.language, language_df))
        return variance + self.items, df

    def these(self, items: Floats) -> tuple[Floats, Floats]:
        """Variance and degrees of freedom over trainings and test items, given the languages.

        ``items``: the variance of the estimate by persistent item noise.
        """
        parts = [(part.variance, part.df) for part in self.trainings]
        return parts[0][0] + parts[1][0] + items, _satterthwaite(items, *parts)


def components(
    design: Design, condition: Floats, baseline: Floats, items: Floats | float = 0.0
) -> Components:
    """The parts of a contrast's variance.

    ``condition`` and ``baseline``: scores in points, shape (..., U, S), with numbers of seeds of
    their own. A condition with one column is one training, without variance. ``items``: variance of
    the estimate by items that several languages share.
    """
    gains = condition.mean(-1) - baseline.mean(-1)
    language = np.sum((gains @ design.cr2.T) ** 2, axis=-1)
    language = language + design.lone_weight * _residual_variance(design, gains)
    return Components(
        estimate=gains @ design.weights,
        trainings=(training_part(design, condition), training_part(design, baseline)),
        language=language,
        language_df=design.cr2_df,
        items=np.asarray(items, dtype=np.float64),
    )


def training_part(design: Design, scores: Floats) -> TrainingPart:
    """What the seeds of one condition say; scores of shape (..., U, S)."""
    seeds = scores.shape[-1]
    by_seed = np.einsum("u,...us->...s", design.weights, scores)
    if seeds == 1:
        zero = np.zeros(by_seed.shape[:-1])
        return TrainingPart(by_seed[..., 0], zero, zero, 0)
    deviations = scores - scores.mean(-1, keepdims=True)
    residuals = np.einsum("vu,...us->...vs", design.residual_maker, deviations)
    noise = np.sum(residuals**2, axis=-1) * _inverse(design.leverage_free) / (seeds - 1)
    return TrainingPart(
        mean=by_seed.mean(-1),
        variance=by_seed.var(-1, ddof=1) / seeds,
        overlap=noise @ design.weights**2 / seeds,
        df=seeds - 1,
    )


def _residual_variance(design: Design, gains: Floats) -> Floats:
    """The mean variance of a unit's gain around the regressors."""
    free = design.leverage_free
    if design.lone_weight == 0 or not free.any():
        return np.zeros(gains.shape[:-1])
    residuals = gains @ design.residual_maker.T
    return np.asarray((residuals**2).sum(-1) / free.sum())


def _inverse(values: Floats) -> Floats:
    """1 / values, and 0 where a value is 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, and 1 where both are 0."""
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)


def _satterthwaite(known: Floats, *parts: tuple[Floats, Floats | float]) -> Floats:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946).

    ``parts``: estimated variances with their degrees of freedom, 0 for a part that is zero;
    ``known``: variance that is as good as known. Infinite where nothing was estimated.
    """
    total, squares = np.asarray(known), np.zeros_like(known)
    for variance, df in parts:
        total = total + variance
        squares = squares + variance**2 * _inverse(np.asarray(df, dtype=np.float64))
    return np.divide(total**2, squares, out=np.full_like(squares, np.inf), where=squares > 0)
