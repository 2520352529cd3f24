"""What a grid has for its claims: scores, what is missing of them, and the command that adds it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import pandas as pd

from xstilts.analysis.claims import sentences
from xstilts.analysis.claims.dev_scores import DevScores, dev_scores
from xstilts.analysis.language_groups import is_low
from xstilts.analysis.report.results import analysis_of
from xstilts.analysis.statistics.questions import Analysis
from xstilts.analysis.stored_items import StoredItems
from xstilts.analysis.table import METRIC_PREFIX
from xstilts.config.checks import problems
from xstilts.config.claims import EVERY
from xstilts.config.conditions import NONE, is_intermediate
from xstilts.status.states import States

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from xstilts.analysis.claims.result import ClaimResult
    from xstilts.analysis.language_groups import Definition
    from xstilts.analysis.statistics.floor import Floor
    from xstilts.analysis.statistics.items import NoiseOfItems
    from xstilts.config.claims import Claim
    from xstilts.config.languages import Language
    from xstilts.config.resolve import ScoreKey
    from xstilts.config.study import Study
    from xstilts.grid.artefacts import Grid
    from xstilts.grid.keys import EvaluationKey

GUESSES: tuple[Floor, ...] = ("at the floor", "uninformative")
"""The classes of cells whose baseline only guesses."""
KEY = ["encoder", "condition", "seed", "target", "language"]


class Evidence:
    """A grid and the scores of it that exist.

    ``table``: rows of `xstilts.analysis.table.collect`, complete or not. ``study_files``: the files
    that the study was read from, for the command that computes missing scores.
    """

    def __init__(self, grid: Grid, table: pd.DataFrame, study_files: Sequence[str] = ()) -> None:
        self.grid, self.resolved, self.claims = grid, grid.resolved, grid.resolved.claims
        self.table, self.study_files = table, study_files
        self._guessing: dict[str, set[tuple[str, str]]] = {}
        self.above_the_floor = cache(self._above_the_floor)

    @cached_property
    def languages(self) -> dict[str, Language]:
        """The table of languages."""
        return self.grid.cards.languages()

    @cached_property
    def codes(self) -> frozenset[str]:
        """The languages of all targets of the study."""
        return frozenset(code for codes in self.resolved.languages.values() for code in codes)

    def low_resource(self, encoder: str, definition: Definition) -> dict[str, bool]:
        """Whether a language is low-resource by a definition; unknown ones are left out."""
        pretraining = self.grid.cards.encoder(encoder).pretraining
        found = {c: is_low(x, definition, pretraining) for c, x in self.languages.items()}
        return {code: low for code, low in found.items() if low is not None}

    @cached_property
    def analysis(self) -> Analysis:
        """All scores, ready for questions."""
        return analysis_of(self.grid, self.table)

    def analysis_of(
        self,
        table: pd.DataFrame,
        untrained: Collection[tuple[str, str, str]],
        noise: NoiseOfItems | None,
    ) -> Analysis:
        """Other scores of the grid's targets; ``untrained`` and ``noise`` as for `Analysis`."""
        whole = self.analysis
        return Analysis(table, whole.languages, whole.chance, untrained, whole.pretraining, noise)

    def by_metric(self, metric: str) -> Analysis:
        """All scores, by another metric than the primary one."""
        table = self.table.assign(score=self.table[METRIC_PREFIX + metric])
        noise = StoredItems(self.grid, self.table, metric)
        return self.analysis_of(table, self.analysis.scores.untrained, noise)

    @cached_property
    def dev(self) -> DevScores:
        """The development scores of the grid's trainings."""
        return dev_scores(self.states)

    @cached_property
    def of_dev(self) -> Analysis:
        """Development scores, and test scores of the targets that have no training of their own."""
        test = self.table[self.table["target"].isin(self.dev.untrained)]
        parts = [part for part in (self.dev.table, test) if len(part)]
        table = pd.concat(parts, ignore_index=True) if parts else self.dev.table
        return self.analysis_of(table, self.analysis.scores.untrained, None)

    def missing_dev(
        self, encoder: str, conditions: Collection[str], targets: Collection[str]
    ) -> list[EvaluationKey]:
        """The evaluations of some conditions and targets whose training records no score."""
        return [
            key
            for key in self.dev.missing
            if key.encoder == encoder and key.condition in conditions and key.target in targets
        ]

    def guessing(self, encoder: str) -> set[tuple[str, str]]:
        """The (target, language) whose baseline only guesses."""
        if encoder not in self._guessing:
            targets = list(self.analysis.scores.languages)
            floor = self.analysis.floor(encoder=encoder, targets=targets)
            self._guessing[encoder] = {
                (unit.target, unit.language) for unit, found in floor.items() if found in GUESSES
            }
        return self._guessing[encoder]

    def _above_the_floor(self, encoder: str) -> Analysis:
        """All scores of an encoder but those of cells whose baseline only guesses."""
        cells = zip(self.table["target"], self.table["language"], strict=True)
        guesses = self.guessing(encoder)
        rows = self.table[[cell not in guesses for cell in cells]]
        whole = self.analysis
        rows = rows[rows["encoder"] == encoder]
        return self.analysis_of(rows, whole.scores.untrained, whole.noise)

    @cached_property
    def states(self) -> States:
        """The states of artefacts, for claims about what scores were computed from."""
        return States(self.grid)

    # -- what a claim may be about ----------------------------------------------------------------

    def conditions(self, names: str | list[str]) -> list[str]:
        """The conditions that a claim names; ``every``: the study's, less baseline and controls."""
        every = [name for name in self.resolved.conditions if is_intermediate(name)]
        return self._named(names, every)

    def targets(self, names: str | list[str]) -> list[str]:
        """The targets that a claim names; ``every``: the study's."""
        return self._named(names, list(self.resolved.targets))

    def _named(self, names: str | list[str], every: list[str]) -> list[str]:
        listed = self.claims.expand(names)
        found = (member for name in listed for member in (every if name == EVERY else [name]))
        return list(dict.fromkeys(found))

    def absent(self, conditions: Iterable[str], targets: Iterable[str]) -> dict[str, list[str]]:
        """Conditions and targets that the study does not have, by kind; empty if it has all."""
        found = {
            "condition": [name for name in conditions if name not in self.resolved.conditions],
            "target": [name for name in targets if name not in self.resolved.targets],
        }
        return {kind: names for kind, names in found.items() if names}

    def absent_languages(self, needed: Mapping[str, Sequence[str]]) -> list[str]:
        """Languages, by target, that the study does not have of the targets that it has."""
        return [
            f"{code} in {name}"
            for name, codes in needed.items()
            for code in codes
            if code not in self.resolved.languages.get(name, codes)
        ]

    def without(
        self, result: ClaimResult, claim: Claim, absent: Mapping[str, Sequence[str]]
    ) -> ClaimResult:
        """The result of a claim that is about what the study does not have."""
        result = replace(result, command=_command_of(claim))
        return result.judged("not measured", sentences.absent(absent, claim))

    def without_comparison(self, result: ClaimResult, claim: Claim) -> ClaimResult:
        """The result of a claim about languages that no target of the study has."""
        result = replace(result, command=_command_of(claim))
        return result.judged("not measured", sentences.nothing_to_compare(claim))

    def without_dev(self, result: ClaimResult, lacking: Sequence[EvaluationKey]) -> ClaimResult:
        """The result of a claim about development scores some of which nothing records."""
        return result.judged("not measured", sentences.missing_dev(lacking))

    def unfinished(self, result: ClaimResult, missing: Sequence[ScoreKey]) -> ClaimResult:
        """The result of a claim some of whose scores are missing."""
        result = replace(result, missing=tuple(missing), command=self.command(missing))
        return result.judged("not measured", sentences.missing(missing))

    # -- scores that are missing ------------------------------------------------------------------

    def missing(
        self,
        encoder: str,
        conditions: Collection[str],
        targets: Collection[str],
        codes: Collection[str] | None = None,
    ) -> list[ScoreKey]:
        """The scores of some cells that are missing; ``codes``: languages, None for all."""
        return [
            key
            for key in self._missing
            if key.encoder == encoder
            and key.condition in conditions
            and key.target in targets
            and (codes is None or key.language in codes)
        ]

    def command(self, missing: Sequence[ScoreKey]) -> str:
        """The command that computes missing scores, and as few others as the study allows."""
        if not missing:
            return ""
        study = self.resolved.study
        parts = {
            "encoders": [
                name for name in study.encoders if any(k.encoder == name for k in missing)
            ],
            "conditions": [
                name
                for name in study.conditions
                if name == NONE or any(k.condition == name for k in missing)
            ],
            "targets": [name for name in study.targets if any(k.target == name for k in missing)],
        }
        narrower: dict[str, list[str]] = {}
        for key, names in parts.items():
            tried = narrower | {key: names}
            if names != getattr(study, key) and self._is_the_same(study, tried):
                narrower = tried
        words = ["snakemake"]
        if self.study_files:
            words += ["--configfile", *self.study_files]
        if narrower:
            listed = [f"{key}=[{','.join(names)}]" for key, names in narrower.items()]
            words += ["--until", "evaluate", "--config", *listed]
        return shlex.join(words)

    def _is_the_same(self, study: Study, changes: dict[str, list[str]]) -> bool:
        """Whether a part of the study is a study whose trainings are the same."""
        part = study.model_copy(update=changes)
        mixes = any(self.resolved.conditions[name].tasks[1:] for name in part.conditions)
        if mixes and part.multi_tasks() != study.multi_tasks():
            return False
        return not problems(part, self.grid.cards)

    @cached_property
    def _missing(self) -> list[ScoreKey]:
        present = set(self.table[KEY].itertuples(index=False, name=None))
        return [
            key
            for key in self.resolved.score_keys()
            if (key.encoder, key.condition, key.seed, key.target, key.language) not in present
        ]


def _command_of(claim: Claim) -> str:
    """The command that runs the study that measures a claim; empty if the claim names none."""
    return f"snakemake --configfile {shlex.quote(claim.study)}" if claim.study else ""
