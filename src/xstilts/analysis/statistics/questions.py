"""The questions that a study asks, each answered by one contrast of its table of scores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from xstilts.analysis.language_groups import (
    ALL,
    DEFINITIONS,
    ENGLISH,
    GROUPS,
    ZERO_SHOT,
    is_low,
    members,
)
from xstilts.analysis.statistics.best import best_of
from xstilts.analysis.statistics.contrast import Contrast, contrast
from xstilts.analysis.statistics.design import mean_over_targets, within_targets
from xstilts.analysis.statistics.floor import Floor, above_chance, floor_of
from xstilts.analysis.statistics.score_table import Pair, ScoreTable, Unit
from xstilts.config.conditions import NONE
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from xstilts.analysis.language_groups import Definition
    from xstilts.config.languages import Language

Scale = Literal["points", "logit", "standardised"]
"""Points of the target's metric; logit of the share of the way from chance to 100; points over the
standard deviation of the baseline between languages."""


class Analysis:
    """A grid's scores and the questions that can be asked of them.

    ``table`` is that of `xstilts.analysis.table.collect`, or a part of it; ``languages`` that of
    ``config/languages.tsv`` by code; ``chance`` the score of guessing by target, in per cent, None
    where it is not known; ``untrained`` as for `ScoreTable`; ``pretraining`` the family of each
    encoder, of which the language table says which languages it has seen. A question about one
    target or several, in a group of languages (a name of `GROUPS` or codes), gives a `Contrast`.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        languages: Mapping[str, Language],
        chance: Mapping[str, float | None] | None = None,
        untrained: Collection[tuple[str, str, str]] = (),
        pretraining: Mapping[str, str | None] | None = None,
    ) -> None:
        self.scores = ScoreTable(table, untrained)
        self.languages = languages
        self.chance, self.pretraining = chance or {}, pretraining or {}

    # -- the questions ----------------------------------------------------------------------------

    def mean(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        group: str | Collection[str] = ZERO_SHOT,
        against: str = NONE,
        scale: Scale = "points",
    ) -> Contrast:
        """The mean over targets of the mean gain over their languages of a group."""
        units = self.units(targets, group)
        pair = self._scaled(self.scores.pair(encoder, condition, against, units), encoder, scale)
        if problem := _empty(pair, condition, against):
            return problem
        design = mean_over_targets(*self._names(pair.units))
        return self._counted(contrast(design, pair.condition, pair.baseline), encoder, pair)

    def low_minus_rest(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        definition: Definition = "joshi",
        against: str = NONE,
        scale: Scale = "points",
    ) -> Contrast:
        """The gain of low-resource languages minus that of the others, within targets.

        Languages whose level is not known are left out, and so is English. Targets without both
        kinds say nothing.
        """
        if definition not in DEFINITIONS:
            raise StudyError(unknown("definition of low-resource", definition, DEFINITIONS))
        pretraining = self.pretraining.get(encoder)
        known = {c: is_low(x, definition, pretraining) for c, x in self.languages.items()}
        return self._within(encoder, condition, targets, known, against, scale, two_sides=True)

    def slope(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        against: str = NONE,
        scale: Scale = "points",
    ) -> Contrast:
        """The change of the gain for ten times as much pretraining text (CC-100), within targets.

        Languages whose size is not known are left out, and so is English.
        """
        known = {c: x.resource_level for c, x in self.languages.items()}
        return self._within(encoder, condition, targets, known, against, scale, two_sides=False)

    def difference(
        self,
        *,
        encoder: str,
        condition: str,
        against: str,
        targets: str | Sequence[str],
        group: str | Collection[str] = ZERO_SHOT,
    ) -> Contrast:
        """The mean difference of two conditions: `mean` against another condition than none."""
        return self.mean(
            encoder=encoder, condition=condition, targets=targets, group=group, against=against
        )

    def best_condition(
        self,
        *,
        encoder: str,
        targets: str | Sequence[str],
        group: str | Collection[str] = ZERO_SHOT,
        conditions: Sequence[str] = (),
        against: str = NONE,
        each_target: bool = False,
    ) -> Contrast:
        """The mean gain of the best condition, without the winner's curse.

        The condition is chosen on all seeds but one and all families but one, and its gain counts
        on what was left out, in rotation (`xstilts.analysis.statistics.best`).
        """
        names = tuple(conditions) or tuple(c for c in self.scores.conditions if c != against)
        units = self.units(targets, group)
        pairs = [self.scores.pair(encoder, name, against, units) for name in names]
        shared = [unit for unit in units if all(unit in pair.units for pair in pairs)]
        pairs = [self.scores.pair(encoder, name, against, shared) for name in names]
        for name, pair in zip(names, pairs, strict=True):
            if problem := _empty(pair, name, against):
                return problem
        design = mean_over_targets(*self._names(shared))
        found = best_of(
            design,
            [pair.condition for pair in pairs],
            pairs[0].baseline,
            each_target=each_target,
        )
        return self._counted(found, encoder, pairs[0])

    def per_language(
        self, *, encoder: str, condition: str, target: str, against: str = NONE
    ) -> dict[str, Contrast]:
        """The gain of each language of a target; one language has the second estimand only."""
        return {
            unit.language: self.mean(
                encoder=encoder,
                condition=condition,
                targets=target,
                group=[unit.language],
                against=against,
            )
            for unit in self.units(target, ALL)
        }

    # -- the floor --------------------------------------------------------------------------------

    def floor(self, *, encoder: str, targets: str | Sequence[str]) -> dict[Unit, Floor]:
        """Whether each language of each target can show a gain or a loss at all."""
        found = {}
        for unit in self.units(targets, ALL):
            chance = self.chance.get(unit.target)
            items = self.scores.items(encoder, [unit])[unit]
            above = {
                condition: above_chance(float(np.mean(list(seeds.values()))), items, chance)
                for condition in self.scores.conditions
                if (seeds := self.scores.scores(encoder, condition).by_seed.get(unit))
            }
            found[unit] = floor_of(above)
        return found

    # -- units ------------------------------------------------------------------------------------

    def units(self, targets: str | Sequence[str], group: str | Collection[str]) -> list[Unit]:
        """The languages of a group in each target, in the order of the table."""
        found = []
        for target in [targets] if isinstance(targets, str) else targets:
            if target not in self.scores.languages:
                raise StudyError(unknown("target", target, self.scores.languages))
            codes = self.scores.languages[target]
            if not isinstance(group, str):
                chosen = [code for code in codes if code in group]
            elif group in GROUPS:
                chosen = members(group, codes, self.languages)
            else:
                raise StudyError(unknown("group of languages", group, GROUPS))
            found += [Unit(target, code) for code in chosen]
        return found

    def family(self, code: str) -> str:
        """The family of a language; a language without one is its own."""
        language = self.languages.get(code)
        return (language.family if language else None) or f"({code})"

    def _names(self, units: Sequence[Unit]) -> tuple[list[str], list[str]]:
        return [unit.target for unit in units], [self.family(unit.language) for unit in units]

    def _within(
        self,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        known: Mapping[str, float | None],
        against: str,
        scale: Scale,
        *,
        two_sides: bool,
    ) -> Contrast:
        asked = [unit for unit in self.units(targets, ALL) if unit.language != ENGLISH]
        units = [unit for unit in asked if known.get(unit.language) is not None]
        pair = self._scaled(self.scores.pair(encoder, condition, against, units), encoder, scale)
        left_out = {unit.language for unit in asked} - {unit.language for unit in units}
        if left_out:
            note = f"languages whose resource level is not known: {', '.join(sorted(left_out))}"
            pair = replace(pair, notes=(note, *pair.notes))
        if problem := _empty(pair, condition, against):
            return problem
        values = [float(known[unit.language] or 0.0) for unit in pair.units]
        names = self._names(pair.units)
        design = within_targets(*names, values)
        if not design.spans:
            reason = "no target has languages of both kinds"
            return Contrast(np.nan, reason=reason, notes=pair.notes)
        sides = tuple(
            len({f for f, value in zip(names[1], values, strict=True) if value == side})
            for side in (1.0, 0.0)
        )
        found = contrast(design, pair.condition, pair.baseline, sides=sides if two_sides else ())
        return self._counted(found, encoder, pair)

    def _scaled(self, pair: Pair, encoder: str, scale: Scale) -> Pair:
        """The scores of a pair on another scale."""
        return pair

    def _counted(self, found: Contrast, encoder: str, pair: Pair) -> Contrast:
        codes = {unit.language for unit in pair.units}
        return replace(
            found,
            languages=len(codes),
            items=sum(self.scores.items(encoder, pair.units).values()),
            without_family=sum(self.family(code) == f"({code})" for code in codes),
            notes=pair.notes,
        )


def _empty(pair: Pair, condition: str, against: str) -> Contrast | None:
    """The contrast of a pair without scores; None if there are any."""
    for name, runs in ((condition, pair.condition), (against, pair.baseline)):
        if not pair.units:
            return Contrast(np.nan, reason="no language has a score", notes=pair.notes)
        if not runs.scores.size:
            reason = f"no seed of {name} has the scores of all languages"
            return Contrast(np.nan, reason=reason, notes=pair.notes)
    return None
