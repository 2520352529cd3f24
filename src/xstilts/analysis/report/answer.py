"""The answer of a study as values; its sentences stand in ``answer.html``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xstilts.analysis.language_groups import LOW, ZERO_SHOT
from xstilts.analysis.report.results import ALL_TARGETS
from xstilts.config.conditions import MORE_STEPS, SHUFFLED, STEPS_OF

if TYPE_CHECKING:
    from xstilts.analysis.report.results import Effect, Results
    from xstilts.analysis.statistics.contrast import Contrast, Verdict
    from xstilts.config.encoder_card import EncoderCard

FEW = 6
"""As many inconclusive conditions are named one by one; more are counted."""


@dataclass(frozen=True)
class Tally:
    """The effects of all conditions on one question."""

    effects: list[Effect]
    kind: str
    """What the ids of their rows begin with."""

    def of(self, verdict: Verdict) -> list[Effect]:
        """Those with a verdict, the largest first."""
        found = [effect for effect in self.effects if effect.verdict == verdict]
        return sorted(found, key=lambda effect: -abs(effect.contrast.estimate))

    @property
    def open(self) -> list[Effect]:
        """Those whose interval decides nothing, the largest first."""
        return [effect for effect in self.of("inconclusive") if effect.contrast.like_these]

    @property
    def unjudged(self) -> dict[str, list[Effect]]:
        """Those without an interval for languages like these, by the reason."""
        found: dict[str, list[Effect]] = {}
        for effect in self.effects:
            if effect.contrast.like_these is None:
                found.setdefault(effect.contrast.reason, []).append(effect)
        return found

    @property
    def defined(self) -> list[Effect]:
        """Those with an estimate."""
        return [e for e in self.effects if e.contrast.estimate == e.contrast.estimate]

    @property
    def reach(self) -> Contrast | None:
        """The effect over most languages, whose numbers stand for all; None without an effect."""
        contrasts = [effect.contrast for effect in self.defined]
        return max(contrasts, key=lambda c: (c.languages, c.targets), default=None)

    @property
    def is_open(self) -> bool:
        """Whether every effect is inconclusive."""
        return all(effect.verdict == "inconclusive" for effect in self.effects)


class ControlledEffect(NamedTuple):
    """The mean gain of a condition over a control, over targets and zero-shot languages."""

    condition: str
    control: str
    contrast: Contrast


@dataclass(frozen=True)
class Answer:
    """What a study says of an encoder."""

    encoder: EncoderCard
    one_training: bool
    """Whether no effect has an interval because conditions were trained once."""
    zero_shot: Tally
    low: Tally
    difference: Tally
    """Low-resource languages minus the others."""
    slopes: Tally
    controls: list[ControlledEffect]
    """Conditions against their controls, where the study has them."""
    best: Contrast | None
    """The best condition over the zero-shot languages, chosen on other trainings."""
    item_noise: bool
    """Whether the intervals hold the noise of test items: predictions could be read."""


def _controlled(results: Results) -> list[ControlledEffect]:
    """Each intermediate condition against the controls of it that the study has."""
    return [
        ControlledEffect(
            condition,
            control,
            results.analysis.mean(
                encoder=results.encoder,
                condition=condition,
                targets=results.targets,
                against=control,
            ),
        )
        for condition in results.intermediate
        for control in (f"{STEPS_OF}{condition}", MORE_STEPS, f"{condition}{SHUFFLED}")
        if control in results.conditions
    ]


def answer_of(results: Results, card: EncoderCard) -> Answer:
    """The answer from the effects over all targets."""

    def over_all(effects: list[Effect], group: str) -> list[Effect]:
        whole = ALL_TARGETS if len(results.targets) > 1 else "".join(results.targets)
        return [
            effect
            for effect in effects
            if (effect.target, effect.group) == (whole, group)
            and effect.condition in results.intermediate
        ]

    zero_shot = over_all(results.means, ZERO_SHOT)
    return Answer(
        encoder=card,
        one_training=bool(zero_shot)
        and all(e.contrast.these is None and e.contrast.sensitivity for e in zero_shot),
        zero_shot=Tally(zero_shot, "overview"),
        low=Tally(over_all(results.means, LOW), "means"),
        difference=Tally(over_all(results.low_minus_rest, LOW), "low_minus_rest"),
        slopes=Tally(
            [effect for effect in results.slopes if effect.condition in results.intermediate],
            "slope",
        ),
        controls=_controlled(results),
        best=results.best.get(ZERO_SHOT),
        item_noise=all(e.contrast.has_item_noise for e in zero_shot if e.contrast.these),
    )
