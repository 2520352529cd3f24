"""The questions that a study asks, each answered by one contrast of its table of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xstilts.analysis.language_groups import ALL, DEFINITIONS, ZERO_SHOT, covariate, is_low
from xstilts.analysis.statistics.answers import Asked, Question, answer, best
from xstilts.analysis.statistics.scored_study import ScoredStudy
from xstilts.config.conditions import NONE
from xstilts.errors import StudyError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xstilts.analysis.language_groups import Covariate, Definition
    from xstilts.analysis.statistics.contrast import Contrast
    from xstilts.analysis.statistics.scales import Scale
    from xstilts.analysis.statistics.score_table import ScoreTable


class Analysis(ScoredStudy):
    """A grid's scores and the questions that can be asked of them.

    A question about one target or several, in a group of languages (a name of `GROUPS` or codes),
    gives a `Contrast`. Its constructor is that of `ScoredStudy`.
    """

    def mean(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        group: str | Collection[str] = ZERO_SHOT,
        against: str = NONE,
        scale: Scale = "points",
        only_above_floor: bool = False,
    ) -> Contrast:
        """The mean over targets of the mean gain over their languages of a group.

        ``only_above_floor``: without the languages whose baseline only guesses.
        """
        asked = Asked(encoder, condition, against, scale, only_above_floor)
        return answer(self, asked, Question(self.units(targets, group)))

    def low_minus_rest(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        definition: Definition = "joshi",
        against: str = NONE,
        scale: Scale = "points",
        only_above_floor: bool = False,
    ) -> Contrast:
        """The gain of low-resource languages minus that of the others, within targets.

        Languages whose level is not known are left out, and so is English. Targets without both
        kinds say nothing.
        """
        if definition not in DEFINITIONS:
            raise StudyError(unknown("definition of low-resource", definition, DEFINITIONS))
        pretraining = self.pretraining.get(encoder)
        low = {c: is_low(x, definition, pretraining) for c, x in self.languages.items()}
        asked = Asked(encoder, condition, against, scale, only_above_floor)
        units = self.units(targets, ZERO_SHOT)
        return answer(self, asked, Question(units, low, two_sides=True))

    def slope(
        self,
        *,
        encoder: str,
        condition: str,
        targets: str | Sequence[str],
        against: str = NONE,
        scale: Scale = "points",
        only_above_floor: bool = False,
        covariates: Sequence[Covariate] = (),
    ) -> Contrast:
        """The change of the gain for ten times as much pretraining text (CC-100), within targets.

        Languages whose size is not known are left out, and so is English. ``covariates`` are held
        equal; a language of which one is not known is left out.
        """
        level = {c: x.resource_level for c, x in self.languages.items()}
        pretraining = self.pretraining.get(encoder)
        held = {
            code: tuple(covariate(language, name, pretraining) for name in covariates)
            for code, language in self.languages.items()
        }
        asked = Asked(encoder, condition, against, scale, only_above_floor)
        question = Question(self.units(targets, ZERO_SHOT), level, covariates=held)
        return answer(self, asked, question)

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
        dev: ScoreTable | None = None,
    ) -> Contrast:
        """The mean gain of the best condition, without the winner's curse.

        The condition is chosen on all seeds but one and all families but one, and its gain counts
        on what was left out, in rotation (`xstilts.analysis.statistics.best`). ``conditions``: all
        but ``against`` if none are named. ``each_target``: a condition is chosen for each target.
        ``dev``: scores of development data; with ``each_target``, a target that has them is chosen
        for by these, of the other seeds.
        """
        names = tuple(conditions) or tuple(c for c in self.scores.conditions if c != against)
        question = Question(self.units(targets, group))
        return best(self, encoder, names, against, question, each_target=each_target, dev=dev)

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
