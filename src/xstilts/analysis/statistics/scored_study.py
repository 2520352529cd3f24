"""The scores of a grid with what the cards and the language table say of them."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from xstilts.analysis.language_groups import ALL, GROUPS, members
from xstilts.analysis.statistics.floor import Floor, above_chance, floor_of
from xstilts.analysis.statistics.score_table import ScoreTable, Unit
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from xstilts.analysis.statistics.answers import Asked
    from xstilts.analysis.statistics.contrast import ItemNoise
    from xstilts.analysis.statistics.items import NoiseOfItems, WeightedScores
    from xstilts.config.languages import Language


class ScoredStudy:
    """The scores of a grid with what the cards and the language table say of them.

    ``table`` is that of `xstilts.analysis.table.collect`, or a part of it; ``languages`` that of
    ``config/languages.tsv`` by code; ``chance`` the score of guessing by target, in per cent, None
    where it is not known; ``untrained`` as for `ScoreTable`; ``pretraining`` the family of each
    encoder, of which the language table says which languages it has seen;
    ``noise`` tells the noise of test items (`xstilts.analysis.stored_items`), which is left out
    without it.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        languages: Mapping[str, Language],
        chance: Mapping[str, float | None] | None = None,
        untrained: Collection[tuple[str, str, str]] = (),
        pretraining: Mapping[str, str | None] | None = None,
        noise: NoiseOfItems | None = None,
    ) -> None:
        self.scores = ScoreTable(table, untrained)
        self.languages = languages
        self.chance, self.pretraining = chance or {}, pretraining or {}
        self.noise = noise

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
        return (language.family if language else None) or code

    def knows_family(self, code: str) -> bool:
        """Whether the language table has the language's family."""
        language = self.languages.get(code)
        return bool(language and language.family)

    def floor(self, *, encoder: str, targets: str | Sequence[str]) -> dict[Unit, Floor]:
        """Whether each language of each target can show a gain or a loss at all."""
        found = {}
        for unit in self.units(targets, ALL):
            chance = self.chance.get(unit.target)
            items = self.scores.items(encoder, [unit])[unit]
            above = {
                condition: above_chance(fmean(seeds.values()), items, chance)
                for condition in self.scores.conditions
                if (seeds := self.scores.scores(encoder, condition).by_seed.get(unit))
            }
            found[unit] = floor_of(above)
        return found

    def item_noise(self, asked: Asked, scores: WeightedScores) -> ItemNoise | None:
        """The noise of test items in an answer; None if it is not known, or on other scales."""
        if self.noise is None or asked.scale != "points" or asked.only_above_floor:
            return None
        return self.noise(scores)
