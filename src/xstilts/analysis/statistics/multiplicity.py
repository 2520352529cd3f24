"""Many comparisons at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xstilts.analysis.statistics.design import Floats


def false_discovery(p: Sequence[float]) -> list[float]:
    """The q-values of p-values (Benjamini and Hochberg 1995); NaN stays NaN and does not count.

    >>> false_discovery([0.01, 0.02, 0.9])
    [0.03, 0.03, 0.9]
    """
    return _of_defined(p, stats.false_discovery_control)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values for "any of these" (Holm 1979); NaN stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """

    def adjusted(values: Floats) -> Floats:
        order = np.argsort(values)
        steps = values[order] * np.arange(len(values), 0, -1)
        found = np.empty_like(values)
        found[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
        return found

    return _of_defined(p, adjusted)


def all_of(p: Sequence[float]) -> float:
    """The p-value of "all of these": the largest, without correction (Berger 1982).

    NaN without p-values, or if one of them is undefined.

    >>> all_of([0.01, 0.04])
    0.04
    """
    return float(np.max(p)) if len(p) else float("nan")


def dunnett(conditions: Sequence[Sequence[float]], baseline: Sequence[float]) -> list[float]:
    """Two-sided p-values of conditions against one shared baseline (Dunnett 1955).

    Each condition and the baseline is the list of its trainings' means, at least two. The test
    assumes that trainings of all conditions vary alike: it is a check beside the contrasts, which
    do not.
    """
    found = stats.dunnett(*conditions, control=baseline, rng=np.random.default_rng(1))
    return [float(p) for p in np.atleast_1d(found.pvalue)]


def _of_defined(p: Sequence[float], adjust: Callable[[Floats], Floats]) -> list[float]:
    values = np.asarray(p, dtype=np.float64)
    defined = ~np.isnan(values)
    found = np.full_like(values, np.nan)
    if defined.any():
        found[defined] = adjust(values[defined])
    return [float(value) for value in found]
