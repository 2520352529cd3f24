"""The floor: where a model only guesses, an intermediate task can show neither gain nor loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scipy import stats

from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

Floor = Literal["fine", "at the floor", "uninformative", "unknown"]
"""Of a language of a target. *Uninformative*: no condition is above chance. *At the floor*: the
baseline is not, but another condition is. *Unknown*: the card states no chance."""
LEVEL = 0.05


def above_chance(score: float, items: int, chance: float | None) -> bool | None:
    """Whether a mean score over seeds is above chance by a one-sided binomial test at 5 %.

    ``score`` and ``chance`` are in per cent. None if chance is unknown or there are no items.

    >>> above_chance(60.0, 100, 50.0), above_chance(60.0, 10, 50.0)
    (True, False)
    """
    if chance is None or not items:
        return None
    right = round(score * items / 100)
    return bool(right > 0 and stats.binom.sf(right - 1, items, chance / 100) < LEVEL)


def floor_of(above: Mapping[str, bool | None], baseline: str = NONE) -> Floor:
    """The class of a language from what `above_chance` says of each condition."""
    known = {condition: value for condition, value in above.items() if value is not None}
    if baseline not in known:
        return "unknown"
    if known[baseline]:
        return "fine"
    return "at the floor" if any(known.values()) else "uninformative"
