"""The design of a question: which weighted sum of gains answers it, over which families.

A *unit* is a language of a target. A question is a linear contrast of the units' gains: the mean
over languages, the mean over targets of these, the difference between two groups of languages, or
a slope. Everything here depends on the units alone, not on any score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KINSHIP = 0.05
"""Correlation of the gains of two languages of a family that the working covariance assumes. It was
chosen by simulation (bench/calibration.py): with 0, slopes on 40 languages that are correlated by
0.5 have 7.6 % false positives, with 0.1 those on independent languages have 1.3 %."""
TOLERANCE = 1e-9
"""Smaller eigenvalues and leverages are zero up to rounding."""


@dataclass(frozen=True)
class Design:
    """A linear contrast over U units by ordinary least squares.

    ``regressors``: X, shape (U, P). ``asked``: the contrast of X's coefficients, shape (P,).
    ``families``: the family of each unit's language, by number, shape (U,); families are the
    clusters. ``targets``: the target of each unit, by number, shape (U,).
    """

    regressors: Floats
    asked: Floats
    families: NDArray[np.intp]
    targets: NDArray[np.intp]

    @cached_property
    def _inverse(self) -> Floats:
        """The pseudoinverse of X, shape (P, U)."""
        return np.asarray(np.linalg.pinv(self.regressors), dtype=np.float64)

    @cached_property
    def weights(self) -> Floats:
        """h, shape (U,): the estimate is the sum of h times the gains."""
        return np.asarray(self.asked @ self._inverse, dtype=np.float64)

    @cached_property
    def residual_maker(self) -> Floats:
        """I - H, shape (U, U): it maps gains to their residuals around the regressors."""
        hat = self.regressors @ self._inverse
        return np.asarray(np.eye(len(hat)) - hat, dtype=np.float64)

    @cached_property
    def working(self) -> Floats:
        """The working covariance of the units' gains, shape (U, U): `KINSHIP` within families."""
        related = self.families[:, None] == self.families
        return np.asarray(KINSHIP * related + (1 - KINSHIP) * np.eye(len(related)))

    @cached_property
    def cr2(self) -> Floats:
        """C, shape (families, U): the CR2 variance of the estimate is the sum of squares of C g.

        Bias-reduced linearisation (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, equation
        (6)): unbiased if the gains have the `working` covariance, and nearly so otherwise.
        """
        rows = []
        for family in np.unique(self.families):
            units = np.flatnonzero(self.families == family)
            maker = self.residual_maker[units]
            root = np.linalg.cholesky(self.working[np.ix_(units, units)])
            block = root.T @ maker @ self.working @ maker.T @ root
            adjusted = root @ _inverse_square_root(block) @ root.T
            rows.append(self.weights[units] @ adjusted @ maker)
        return np.array(rows)

    @cached_property
    def cr2_df(self) -> float:
        """The degrees of freedom of the CR2 variance (Bell and McCaffrey 2002); 0 if it is zero."""
        products = self.cr2 @ self.working @ self.cr2.T
        squares = float(np.sum(products**2))
        return float(np.trace(products)) ** 2 / squares if squares > TOLERANCE**2 else 0.0

    @cached_property
    def leverage_free(self) -> Floats:
        """1 - H_uu of each unit, shape (U,); 0 where the unit's residual is always zero."""
        free = np.diag(self.residual_maker).copy()
        free[free < TOLERANCE] = 0.0
        return free

    @cached_property
    def lone_weight(self) -> float:
        """The sum of squared weights of the targets whose languages are all of one family.

        Such a target says nothing about the spread between families, so that CR2 holds no variance
        for it.
        """
        squares = 0.0
        for target in np.unique(self.targets):
            units = self.targets == target
            if len(np.unique(self.families[units])) == 1:
                squares += float(self.weights[units].sum()) ** 2
        return squares

    @cached_property
    def spans(self) -> bool:
        """Whether the units can answer the question: X has full rank for what is asked."""
        projected = self.asked @ self._inverse @ self.regressors
        return bool(np.allclose(projected, self.asked, atol=1e-8))


def mean_over_targets(targets: Sequence[str], families: Sequence[str]) -> Design:
    """The mean over targets of the mean over their languages.

    ``targets`` and ``families`` have an entry for each unit.
    """
    numbers = numbered(targets)
    dummies = np.eye(numbers.max() + 1)[numbers]
    asked = np.full(dummies.shape[1], 1 / dummies.shape[1])
    return Design(dummies, asked, numbered(families), numbers)


def within_targets(
    targets: Sequence[str],
    families: Sequence[str],
    regressor: Sequence[float],
    covariates: Sequence[tuple[float, ...]] = (),
) -> Design:
    """The slope on a regressor of the units, within targets.

    With a regressor of zeros and ones it is the difference between two groups of languages, each
    target weighted as its numbers of languages in both groups allow (n1 n2 / (n1 + n2)).
    ``covariates``: other values of each unit, which are held equal.
    """
    numbers = numbered(targets)
    dummies = np.eye(numbers.max() + 1)[numbers]
    held = np.asarray(covariates, dtype=np.float64).reshape(len(numbers), -1)
    regressors = np.column_stack([dummies, held, np.asarray(regressor, dtype=np.float64)])
    asked = np.zeros(regressors.shape[1])
    asked[-1] = 1.0
    return Design(regressors, asked, numbered(families), numbers)


def numbered(names: Sequence[str]) -> NDArray[np.intp]:
    """The names as numbers from 0 in the order of the sorted names.

    >>> numbered(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1]


def _inverse_square_root(block: Floats) -> Floats:
    """The symmetric inverse square root; directions with eigenvalue zero are left out."""
    values, vectors = np.linalg.eigh(block)
    kept = values > TOLERANCE
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T)
