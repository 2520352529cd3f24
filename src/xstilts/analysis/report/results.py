"""The effects that the report shows, each computed once: by target, group, language and family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from xstilts.analysis.language_groups import LOW, OTHER, SMALL_GIB, ZERO_SHOT
from xstilts.analysis.statistics.contrast import MARGIN
from xstilts.analysis.statistics.multiplicity import false_discovery
from xstilts.analysis.statistics.questions import Analysis
from xstilts.analysis.stored_items import StoredItems
from xstilts.config.conditions import NONE, is_intermediate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from xstilts.analysis.language_groups import Definition
    from xstilts.analysis.statistics.contrast import Contrast, Verdict
    from xstilts.grid.artefacts import Grid

ALL_TARGETS = "all targets"
"""The mean over targets, where a table has a row for each target."""
HEADLINE_GROUPS = (ZERO_SHOT, LOW, OTHER)


SLOPE_MARGIN = 0.25
"""Points for ten times as much text: a smaller slope is negligible."""


OTHER_DEFINITIONS: dict[Definition, str] = {
    "unseen": "not in the encoder's pretraining data",
    "size": f"less than {SMALL_GIB:g} GiB in CC-100",
}
"""Of low-resource languages, beside Joshi class 0-2."""


class Effect(NamedTuple):
    """The effect of a condition on a target (or the mean of all), in a group of languages."""

    condition: str
    target: str
    group: str
    contrast: Contrast
    q: float | None = None
    """Benjamini and Hochberg's q-value among the conditions and targets of the same group."""
    margin: float = MARGIN
    """What is smaller is negligible, in points."""

    @property
    def verdict(self) -> Verdict:
        """Of languages like these."""
        return self.contrast.verdict(self.margin)


@dataclass(frozen=True)
class Results:
    """The effects of an encoder. ``conditions`` are those beside ``none`` that have a score."""

    analysis: Analysis
    encoder: str
    conditions: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def intermediate(self) -> tuple[str, ...]:
        """The conditions with an intermediate task: all but the controls."""
        return tuple(name for name in self.conditions if is_intermediate(name))

    # -- means over languages ---------------------------------------------------------------------

    @cached_property
    def means(self) -> list[Effect]:
        """Mean gains by group, condition and target; that of all targets comes first."""
        return [
            effect
            for group in HEADLINE_GROUPS
            if self.analysis.units(self.targets, group)
            for effect in self._with_q(
                Effect(condition, target, group, self._mean(condition, target, group))
                for condition in self.conditions
                for target in self._with_all()
            )
        ]

    def mean(self, condition: str, target: str, group: str) -> Effect | None:
        """One of `means`; None if no language belongs to the group."""
        return self._means_by_key.get((condition, target, group))

    @cached_property
    def _means_by_key(self) -> dict[tuple[str, str, str], Effect]:
        return {effect[:3]: effect for effect in self.means}

    @cached_property
    def best(self) -> dict[str, Contrast]:
        """The gain of the best condition by group, chosen on other seeds than it is measured on."""
        return {
            group: self.analysis.best_condition(
                encoder=self.encoder,
                targets=self.targets,
                group=group,
                conditions=self.intermediate,
            )
            for group in (ZERO_SHOT, LOW)
            if len(self.intermediate) > 1 and self.analysis.units(self.targets, group)
        }

    # -- low-resource languages against the rest --------------------------------------------------

    @cached_property
    def low_minus_rest(self) -> list[Effect]:
        """By Joshi class, within targets: for every target, and first for all together."""
        return [
            Effect(condition, target, LOW, self._low_minus_rest(condition, target, "joshi"))
            for condition in self.conditions
            for target in self._with_all()
        ]

    @cached_property
    def low_minus_rest_by_others(self) -> list[Effect]:
        """Over all targets together, by the other definitions of low-resource."""
        return [
            Effect(c, self._with_all()[0], words, self._low_minus_rest(c, ALL_TARGETS, definition))
            for c in self.conditions
            for definition, words in OTHER_DEFINITIONS.items()
        ]

    @cached_property
    def slopes(self) -> list[Effect]:
        """Points of gain for ten times as much pretraining text, within targets."""
        return [
            Effect(
                condition,
                ALL_TARGETS,
                ZERO_SHOT,
                self.analysis.slope(
                    encoder=self.encoder, condition=condition, targets=self.targets
                ),
                margin=SLOPE_MARGIN,
            )
            for condition in self.conditions
        ]

    # -- languages --------------------------------------------------------------------------------

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The zero-shot languages of all targets."""
        units = self.analysis.units(self.targets, ZERO_SHOT)
        return tuple(dict.fromkeys(unit.language for unit in units))

    def of_languages(self, condition: str, codes: Collection[str]) -> Contrast:
        """The mean over targets of the gain in some languages."""
        targets = [t for t in self.targets if set(self.analysis.scores.languages[t]) & set(codes)]
        return self.analysis.mean(
            encoder=self.encoder, condition=condition, targets=targets, group=list(codes)
        )

    # -- helpers ----------------------------------------------------------------------------------

    def _with_all(self) -> tuple[str, ...]:
        return (ALL_TARGETS, *self.targets) if len(self.targets) > 1 else self.targets

    def _targets_of(self, target: str) -> tuple[str, ...]:
        return self.targets if target == ALL_TARGETS else (target,)

    def _mean(self, condition: str, target: str, group: str) -> Contrast:
        targets = [t for t in self._targets_of(target) if self.analysis.units(t, group)]
        return self.analysis.mean(
            encoder=self.encoder, condition=condition, targets=targets, group=group
        )

    def _low_minus_rest(self, condition: str, target: str, definition: Definition) -> Contrast:
        return self.analysis.low_minus_rest(
            encoder=self.encoder,
            condition=condition,
            targets=self._targets_of(target),
            definition=definition,
        )

    @staticmethod
    def _with_q(effects: Iterable[Effect]) -> list[Effect]:
        """The effects with their q-values; those of all targets together are tested apart."""
        whole = list(effects)
        tested = [e for e in whole if e.target != ALL_TARGETS and e.contrast.like_these]
        ps = [e.contrast.like_these.p for e in tested if e.contrast.like_these]
        qs = dict(zip((e[:3] for e in tested), false_discovery(ps), strict=True))
        return [effect._replace(q=qs.get(effect[:3])) for effect in whole]


def analysis_of(grid: Grid, table: pd.DataFrame) -> Analysis:
    """The questions that can be asked of a grid's scores, complete or not."""
    return Analysis(
        table,
        grid.cards.languages(),
        {name: card.chance for name, card in grid.resolved.targets.items()},
        {
            (key.encoder, key.condition, key.target)
            for key in grid.reads.evaluations()
            if grid.reads.evaluated_training(key) is None
        },
        {name: grid.cards.encoder(name).pretraining for name in grid.study.encoders},
        StoredItems(grid, table),
    )


def results_of(analysis: Analysis, encoder: str) -> Results:
    """The results of an encoder, as far as the table has its scores."""
    table = analysis.scores.table
    rows = table[table["encoder"] == encoder]
    conditions = tuple(name for name in dict.fromkeys(rows["condition"]) if name != NONE)
    return Results(analysis, encoder, conditions, tuple(dict.fromkeys(rows["target"])))
