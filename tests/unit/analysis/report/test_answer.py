"""What a study says: the effects of its conditions by their verdicts."""

from __future__ import annotations

import math

import pytest

from xstilts.analysis.report.answer import Tally
from xstilts.analysis.report.results import Effect
from xstilts.analysis.statistics.contrast import Contrast, Uncertainty


def effect(condition, estimate, error=0.1, **contrast):
    """An effect with an interval; without one if there is a reason for none."""
    like_these = None if "reason" in contrast else Uncertainty(estimate, error, 10.0)
    return Effect(condition, "xnli", "zero_shot", Contrast(estimate, like_these, **contrast))


EFFECTS = [
    effect("small gain", 2.0),
    effect("large gain", 9.0),
    effect("loss", -3.0),
    effect("nothing", 0.01),
    effect("open", 2.0, error=5.0),
    effect("trained once", 4.0, reason="one training"),
    effect("trained once too", -4.0, reason="one training"),
    effect("not there", math.nan, reason="no score"),
]


def names(effects):
    return [each.condition for each in effects]


@pytest.mark.parametrize(
    ("verdict", "conditions"),
    [
        ("gain", ["large gain", "small gain"]),
        ("loss", ["loss"]),
        ("negligible", ["nothing"]),
    ],
)
def test_the_largest_effect_of_a_verdict_comes_first(verdict, conditions):
    assert names(Tally(EFFECTS, "overview").of(verdict)) == conditions


def test_an_effect_without_an_interval_is_not_open():
    """Its interval decides nothing because there is none: that is another thing to say."""
    assert names(Tally(EFFECTS, "overview").open) == ["open"]


def test_effects_without_an_interval_stand_under_their_reason():
    unjudged = Tally(EFFECTS, "overview").unjudged
    assert {reason: names(effects) for reason, effects in unjudged.items()} == {
        "one training": ["trained once", "trained once too"],
        "no score": ["not there"],
    }


def test_an_undefined_effect_is_not_counted_as_defined():
    assert "not there" not in names(Tally(EFFECTS, "overview").defined)


def test_the_reach_is_that_of_the_effect_over_most_languages():
    few, many = Contrast(1.0, languages=3, targets=2), Contrast(1.0, languages=8, targets=1)
    tally = Tally([Effect("a", "xnli", "low", few), Effect("b", "xnli", "low", many)], "means")
    assert tally.reach is many
    assert Tally([], "means").reach is None


def test_a_tally_is_open_if_no_effect_is_decided():
    assert not Tally(EFFECTS, "overview").is_open
    assert Tally(EFFECTS[4:], "overview").is_open
