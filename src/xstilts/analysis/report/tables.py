"""The tables of the report as values: mean gains, average scores, heat maps, scores.

Every table by language is cut into blocks: English, the Joshi classes from the least to the best
resourced, and the languages of unknown class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xstilts.analysis.gains import Place
from xstilts.analysis.language_groups import ENGLISH, LOW, OTHER, UNKNOWN, ZERO_SHOT
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xstilts.analysis.gains import (
        Gains,
        LanguageGain,
        LanguageScore,
        MeanGain,
        MeanScore,
    )
    from xstilts.config.encoder_card import EncoderCard
    from xstilts.config.task_card import TaskCard
    from xstilts.grid.artefacts import Grid


@dataclass(frozen=True)
class LanguageClass:
    """The languages of a block: English, a Joshi class, or languages of unknown class (neither)."""

    english: bool = False
    joshi_class: int | None = None
    low_resource: bool = False

    @property
    def order(self) -> tuple[bool, bool, int]:
        """English first, the unknown class last."""
        return not self.english, self.joshi_class is None, self.joshi_class or 0


class Verdict(NamedTuple):
    """How many of the mean gains of a group of languages are above and below zero."""

    group: str
    gains: int
    """Pairs of condition and target with a mean gain."""
    positive: int
    above: int
    """Mean gains with an interval above zero."""
    below: int
    """Mean gains with an interval below zero."""


@dataclass(frozen=True)
class GroupTable:
    """Mean gains over a group of languages: conditions by targets."""

    group: str
    languages: list[int]
    """For each target: the languages with a defined gain, in the condition that has most."""
    baselines: list[float]
    gains: dict[str, list[MeanGain]]


@dataclass(frozen=True)
class AverageTable:
    """Mean scores over all languages, with English or without: conditions by targets."""

    with_english: bool
    scores: dict[str, list[MeanScore]]


@dataclass(frozen=True)
class HeatMapRow:
    """The baseline score of a language, and its gain in each condition."""

    name: str
    code: str
    baseline: LanguageScore
    gains: dict[str, LanguageGain]


@dataclass(frozen=True)
class HeatMapBlock:
    """The rows of a class of languages and their means."""

    languages: LanguageClass
    baseline: MeanScore
    gains: dict[str, MeanGain]
    rows: list[HeatMapRow]


@dataclass(frozen=True)
class ScoreRow:
    """The scores of a language in each condition, ``none`` first."""

    name: str
    code: str
    items: int
    scores: dict[str, LanguageScore]


@dataclass(frozen=True)
class ScoreBlock:
    """The rows of a class of languages."""

    languages: LanguageClass
    rows: list[ScoreRow]


@dataclass(frozen=True)
class TargetTables:
    """The tables by language of an encoder and target."""

    card: TaskCard
    heat_map: list[HeatMapBlock]
    """Empty without conditions besides ``none``."""
    scores: list[ScoreBlock]
    other_metrics: dict[str, list[ScoreBlock]]


@dataclass(frozen=True)
class EncoderTables:
    """All tables of an encoder."""

    card: EncoderCard
    verdicts: list[Verdict]
    headline: list[GroupTable]
    other_groups: list[GroupTable]
    averages: list[AverageTable]
    targets: list[TargetTables]


def encoder_tables(grid: Grid, gains: Gains, encoder: str) -> EncoderTables:
    """All tables of an encoder."""
    return _Encoder(grid, gains, encoder).tables()


class _Encoder:
    def __init__(self, grid: Grid, gains: Gains, encoder: str) -> None:
        self.grid, self.gains, self.encoder = grid, gains, encoder
        self.targets = list(grid.resolved.targets)
        self.conditions = [name for name in grid.resolved.conditions if name != NONE]

    def tables(self) -> EncoderTables:
        return EncoderTables(
            card=self.grid.cards.encoder(self.encoder),
            verdicts=[self.verdict(group) for group in (ZERO_SHOT, LOW) if self.conditions],
            headline=self.group_tables(ZERO_SHOT, LOW),
            other_groups=self.group_tables(OTHER, UNKNOWN),
            averages=[self.averages(with_english=True), self.averages(with_english=False)],
            targets=[
                TargetTables(
                    self.grid.resolved.targets[target],
                    self.heat_map(target) if self.conditions else [],
                    self.score_table(target),
                    {
                        metric: self.score_table(target, metric)
                        for metric in self.gains.metrics(target)
                    },
                )
                for target in self.targets
            ],
        )

    def place(self, condition: str, target: str) -> Place:
        return Place(self.encoder, condition, target)

    # -- means over languages ---------------------------------------------------------------------

    def of_group(self, group: str) -> dict[str, list[MeanGain]]:
        """The mean gains over a group by condition, one for each target."""
        by_group = self.gains.by_group
        return {
            c: [by_group[self.place(c, t), group] for t in self.targets] for c in self.conditions
        }

    def verdict(self, group: str) -> Verdict:
        means = [mean.gain for row in self.of_group(group).values() for mean in row]
        means = [mean for mean in means if mean.languages]
        intervals = [mean.interval for mean in means if mean.interval]
        return Verdict(
            group,
            gains=len(means),
            positive=sum(mean.mean > 0 for mean in means),
            above=sum(interval.above_zero for interval in intervals),
            below=sum(interval.below_zero for interval in intervals),
        )

    def group_tables(self, *groups: str) -> list[GroupTable]:
        """A table for each group that has a language."""
        tables = []
        for group in groups:
            gains = self.of_group(group)
            columns = list(zip(*gains.values(), strict=True))
            languages = [max(mean.gain.languages for mean in column) for column in columns]
            if any(languages):
                baselines = [column[0].baseline for column in columns]
                tables.append(GroupTable(group, languages, baselines, gains))
        return tables

    def averages(self, *, with_english: bool) -> AverageTable:
        def mean(condition: str, target: str) -> MeanScore:
            codes = self.grid.resolved.languages[target]
            return self.gains.mean_score(
                self.place(condition, target),
                [code for code in codes if with_english or code != ENGLISH],
            )

        conditions = self.grid.resolved.conditions
        return AverageTable(
            with_english, {c: [mean(c, t) for t in self.targets] for c in conditions}
        )

    # -- by language ------------------------------------------------------------------------------

    def heat_map(self, target: str) -> list[HeatMapBlock]:
        gains, baseline = self.gains, self.place(NONE, target)
        places = {condition: self.place(condition, target) for condition in self.conditions}
        return [
            HeatMapBlock(
                languages,
                gains.mean_score(baseline, codes),
                {c: gains.mean_gain(place, codes) for c, place in places.items()},
                [
                    HeatMapRow(
                        self.name(code),
                        code,
                        gains.score(baseline, code),
                        {c: gains.gain(place, code) for c, place in places.items()},
                    )
                    for code in codes
                ],
            )
            for languages, codes in self.classes(target).items()
        ]

    def score_table(self, target: str, metric: str | None = None) -> list[ScoreBlock]:
        places = {c: self.place(c, target) for c in (NONE, *self.conditions)}
        return [
            ScoreBlock(
                languages,
                [
                    ScoreRow(
                        self.name(code),
                        code,
                        self.gains.score(places[NONE], code).items,
                        {c: self.gains.score(p, code, metric) for c, p in places.items()},
                    )
                    for code in codes
                ],
            )
            for languages, codes in self.classes(target).items()
        ]

    def classes(self, target: str) -> dict[LanguageClass, list[str]]:
        """The languages of a target by class, each class in order of names."""
        codes: Sequence[str] = self.grid.resolved.languages[target]
        classes: dict[LanguageClass, list[str]] = {}
        for code in sorted(codes, key=lambda code: (self.name(code).casefold(), code)):
            classes.setdefault(self.class_of(code), []).append(code)
        return {cls: classes[cls] for cls in sorted(classes, key=lambda cls: cls.order)}

    def name(self, code: str) -> str:
        language = self.gains.languages.get(code)
        return language.name if language else code

    def class_of(self, code: str) -> LanguageClass:
        language = self.gains.languages.get(code)
        if code == ENGLISH:
            return LanguageClass(english=True)
        if language is None or language.joshi_class is None:
            return LanguageClass()
        return LanguageClass(
            joshi_class=language.joshi_class, low_resource=bool(language.low_resource)
        )
