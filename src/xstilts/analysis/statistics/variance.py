"""The variance of a contrast of scores: trainings, languages, and what both count.

    estimate = mean over seeds of h'y[condition] - mean over seeds of h'y[baseline]
    trainings = V[condition] / S[condition] + V[baseline] / S[baseline]
    language  = CR2 of the mean gains, clustered by family
    overlap   = the noise of single (training, language) pairs, which is in both

V is the variance over seeds of h'y, of each condition by itself: these variances differ by factors
between conditions, and a pooled one would make the noisiest condition look surer than it is. One
training serves all its languages, so its luck does not average out over them.

All functions work on arrays with any number of leading dimensions, so that a simulation of
thousands of grids is one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xstilts.analysis.statistics.design import Design, Floats


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

    @property
    def training_variance(self) -> Floats:
        """Variance of the estimate over trainings, given these languages."""
        return self.trainings[0].variance + self.trainings[1].variance

    @property
    def overlap(self) -> Floats:
        """The noise that both `training_variance` and `language` contain."""
        return self.trainings[0].overlap + self.trainings[1].overlap

    def like_these(self) -> tuple[Floats, Floats]:
        """Variance and degrees of freedom over trainings, languages and shared items."""
        both = self.training_variance + self.language - self.overlap
        variance = np.maximum(np.maximum(both, self.training_variance), self.language)
        squares = _satterthwaite(self.trainings) + _square_over(self.language, self.language_df)
        return variance + self.items, _df(variance + self.items, squares)

    def these(self, items: Floats) -> tuple[Floats, Floats]:
        """Variance and degrees of freedom over trainings and test items, given the languages.

        ``items``: the variance of the estimate by persistent item noise.
        """
        variance = self.training_variance + items
        return variance, _df(variance, _satterthwaite(self.trainings))


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


def _satterthwaite(trainings: tuple[TrainingPart, TrainingPart]) -> Floats:
    return _square_over(trainings[0].variance, trainings[0].df) + _square_over(
        trainings[1].variance, trainings[1].df
    )


def _square_over(variance: Floats, df: float) -> Floats:
    return variance**2 / df if df > 0 else np.zeros_like(variance)


def _df(variance: Floats, squares: Floats) -> Floats:
    """Satterthwaite's degrees of freedom; infinite where no part was estimated."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(squares > 0, variance**2 / squares, np.inf)
