"""From a question to its contrast: which units and seeds are complete, and on which scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from xstilts.analysis.statistics.best import Choice, best_of
from xstilts.analysis.statistics.contrast import Contrast, contrast
from xstilts.analysis.statistics.design import TOLERANCE, mean_over_targets, within_targets
from xstilts.analysis.statistics.floor import above_chance, above_floor, kept_by_seed
from xstilts.analysis.statistics.items import WeightedScores
from xstilts.analysis.statistics.scales import (
    Scale,
    between_languages,
    on_logit_scale,
    standardised,
)
from xstilts.config.conditions import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xstilts.analysis.statistics.contrast import ItemNoise
    from xstilts.analysis.statistics.design import Design
    from xstilts.analysis.statistics.score_table import Pair, ScoreTable, Unit
    from xstilts.analysis.statistics.scored_study import ScoredStudy


@dataclass(frozen=True)
class Asked:
    """What every question states: whose scores, against which, and on which scale."""

    encoder: str
    condition: str
    against: str = NONE
    scale: Scale = "points"
    only_above_floor: bool = False
    """Without the languages whose baseline only guesses."""


@dataclass(frozen=True)
class Question:
    """The mean over tasks of the mean over their languages, or a slope within tasks."""

    units: Sequence[Unit]
    regressor: Mapping[str, float | None] | None = None
    """A value for each language, None where it is not known; without it, the question is a mean."""
    two_sides: bool = False
    """Whether the regressor is 0 or 1: then each side needs families of its own."""
    covariates: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Other values for each language, which are held equal beside the regressor."""
    tasks: Mapping[str, str] = field(default_factory=dict)
    """Targets that are parts of one task, whose languages are averaged together."""

    def value(self, unit: Unit) -> float | None:
        """The regressor's value, and 0 for a mean; None where it or a covariate is not known."""
        if None in self.covariates.get(unit.language, ()):
            return None
        return 0.0 if self.regressor is None else self.regressor.get(unit.language)

    def design(self, study: ScoredStudy, units: Sequence[Unit]) -> Design:
        """The design over those units that have scores."""
        tasks = tuple(self.tasks.get(unit.target, unit.target) for unit in units)
        families = tuple(study.family(unit.language) for unit in units)
        if self.regressor is None:
            return _mean_over_targets(tasks, families)
        values = tuple(float(self.value(unit) or 0) for unit in units)
        held = tuple(self.covariates.get(unit.language, ()) for unit in units)
        return _within_targets(tasks, families, values, held)

    def families_by_side(self, study: ScoredStudy, units: Sequence[Unit]) -> tuple[int, ...]:
        """The families of each side, as far as their languages have a weight."""
        if not self.two_sides:
            return ()
        weights = self.design(study, units).weights
        sides: tuple[set[str], set[str]] = (set(), set())
        for unit, weight in zip(units, weights, strict=True):
            if abs(weight) > TOLERANCE:
                sides[bool(self.value(unit))].add(study.family(unit.language))
        return len(sides[1]), len(sides[0])


_KEPT = 16
# a grid asks the same question of many conditions, and a design of many units takes long to solve
_mean_over_targets = lru_cache(_KEPT)(mean_over_targets)
_within_targets = lru_cache(_KEPT)(within_targets)


def answer(study: ScoredStudy, asked: Asked, question: Question) -> Contrast:
    """The contrast that answers a question, or an undefined one with the reason."""
    known = [unit for unit in question.units if question.value(unit) is not None]
    pair = study.scores.pair(asked.encoder, asked.condition, asked.against, known)
    unknown = {unit.language for unit in question.units} - {unit.language for unit in known}
    if unknown:
        note = f"languages whose resource level is not known: {', '.join(sorted(unknown))}"
        pair = replace(pair, notes=(note, *pair.notes))
    if reason := why_empty(pair, asked.condition, asked.against):
        return Contrast(math.nan, reason=reason, notes=pair.notes)
    if not question.design(study, pair.units).spans:
        return Contrast(math.nan, reason="no target has languages of both kinds", notes=pair.notes)
    changed = _restricted(study, asked, question, pair)
    if not isinstance(changed, str):
        changed = _rescaled(study, asked, changed)
    if isinstance(changed, str):
        return Contrast(math.nan, reason=changed, notes=pair.notes)
    design = question.design(study, changed.units)
    sides = {asked.condition: design.weights, asked.against: -design.weights}
    scores = WeightedScores(asked.encoder, changed.units, design.weights, sides)
    found = contrast(
        design,
        changed.condition,
        changed.baseline,
        sides=question.families_by_side(study, changed.units),
        items=study.item_noise(asked, scores),
    )
    return counted(study, asked.encoder, found, changed)


def best(
    study: ScoredStudy,
    encoder: str,
    conditions: Sequence[str],
    against: str,
    question: Question,
    *,
    each_target: bool = False,
    dev: ScoreTable | None = None,
) -> Contrast:
    """The mean gain of the best of some conditions, on the units that all of them have.

    ``dev``: as for `Analysis.best_condition`.
    """
    pairs = [study.scores.pair(encoder, name, against, question.units) for name in conditions]
    shared = [unit for unit in question.units if all(unit in pair.units for pair in pairs)]
    pairs = [study.scores.pair(encoder, name, against, shared) for name in conditions]
    notes = tuple(dict.fromkeys(note for pair in pairs for note in pair.notes))
    for name, pair in zip(conditions, pairs, strict=True):
        if reason := why_empty(pair, name, against):
            return Contrast(math.nan, reason=reason, notes=notes)
    if not pairs:
        return Contrast(math.nan, reason=f"there is no condition but {against}")
    runs = [pair.condition for pair in pairs]
    design = question.design(study, shared)

    def noise(shares: NDArray[np.float64]) -> ItemNoise | None:
        sides = {
            name: design.weights * share for name, share in zip(conditions, shares, strict=True)
        }
        scores = WeightedScores(
            encoder, tuple(shared), design.weights, sides | {against: -design.weights}
        )
        return study.noise(scores) if study.noise else None

    by_dev = _dev_by_target(dev, encoder, dict(zip(conditions, pairs, strict=True)), design)
    rule = Choice(each_target, by_dev)
    found = best_of(design, runs, pairs[0].baseline, rule, noise=noise)
    return counted(study, encoder, found, replace(pairs[0], notes=notes))


def _dev_by_target(
    dev: ScoreTable | None, encoder: str, pairs: Mapping[str, Pair], design: Design
) -> dict[int, NDArray[np.float64]]:
    """The development scores of the targets that have one of every training: see `Choice.dev`."""
    if dev is None:
        return {}
    found = {}
    seeds = min(len(pair.seeds) for pair in pairs.values())
    units = next(iter(pairs.values())).units
    for target, number in dict(
        zip((unit.target for unit in units), design.targets.tolist(), strict=True)
    ).items():
        by_condition = [
            [
                fmean(scores)
                for seed in pair.seeds[:seeds]
                if (scores := dev.scores(encoder, name).of_seed(target, seed))
            ]
            for name, pair in pairs.items()
        ]
        if all(len(scores) == seeds for scores in by_condition):
            found[number] = np.array(by_condition)
    return found


def counted(study: ScoredStudy, encoder: str, found: Contrast, pair: Pair) -> Contrast:
    """A contrast with the numbers of languages and items that it rests on."""
    codes = {unit.language for unit in pair.units}
    return replace(
        found,
        languages=len(codes),
        items=sum(study.scores.items(encoder, pair.units).values()),
        without_family=sum(not study.knows_family(code) for code in codes),
        notes=pair.notes,
    )


def why_empty(pair: Pair, condition: str, against: str) -> str:
    """Why a pair has no scores; empty if it has some."""
    if not pair.units:
        return "no language has a score"
    for name, runs in ((condition, pair.condition), (against, pair.baseline)):
        if not runs.scores.size:
            return f"no seed of {name} has the scores of all languages"
    return ""


def _restricted(study: ScoredStudy, asked: Asked, question: Question, pair: Pair) -> Pair | str:
    """The pair, without languages at the floor if the caller asks so; or why no pair is left."""
    if not asked.only_above_floor:
        return pair
    kept = _kept(study, asked.encoder, pair)
    restricted = above_floor(pair, kept, lambda units: question.design(study, units))
    return restricted or "too few languages have a baseline above chance"


def _kept(study: ScoredStudy, encoder: str, pair: Pair) -> NDArray[np.bool_]:
    items = study.scores.items(encoder, pair.units)

    def above(unit: Unit, score: float) -> bool | None:
        return above_chance(score, items[unit], study.chance.get(unit.target))

    return kept_by_seed(pair, above)


def _rescaled(study: ScoredStudy, asked: Asked, pair: Pair) -> Pair | str:
    """The pair on the scale that is asked for, or why it cannot be."""
    targets = list(dict.fromkeys(unit.target for unit in pair.units))
    if asked.scale == "logit":
        chance = {t: c for t in targets if (c := study.chance.get(t)) is not None}
        if lacking := [target for target in targets if target not in chance]:
            return f"the score of guessing is not known of {', '.join(lacking)}"
        return on_logit_scale(pair, chance, study.scores.items(asked.encoder, pair.units))
    if asked.scale == "standardised":
        baselines = study.scores.scores(asked.encoder, asked.against).by_seed
        deviations = {
            target: between_languages(
                [fmean(s.values()) for unit, s in baselines.items() if unit.target == target]
            )
            for target in targets
        }
        if equal := [target for target in targets if not deviations[target]]:
            return f"the baseline has one score in all languages of {', '.join(equal)}"
        return standardised(pair, deviations)
    return pair
