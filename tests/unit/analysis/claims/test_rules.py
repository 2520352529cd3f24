"""Rules: what all, any, at least, more than half and the mean of comparisons must show."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xstilts.analysis.claims.rules import Facts, Judged, holds
from xstilts.analysis.statistics.contrast import Uncertainty
from xstilts.config.claim_rule import parse_rule


def of(*estimates, mean=None, error=1.0, margin=1.0, test="interval", published=None):
    """Comparisons with these estimates and the same standard error, by the normal distribution."""

    def judged(estimate):
        if estimate is None:
            return Judged(None)
        return Judged(Uncertainty(estimate, error, math.inf), published)

    return Facts(tuple(map(judged, estimates)), judged(mean), margin, test)


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        ("all > 0", of(2.0, 3.0), True),  # 2.0 > 1.96 standard errors
        ("all > 0", of(1.9, 3.0), False),
        ("all > 0", of(1.9, 3.0, test="one_sided"), True),  # 1.9 > 1.645
        ("all > 0", of(1.6, 3.0, test="one_sided"), False),
        ("all > 0", of(3.0, None), False),  # one comparison without an interval
        ("all > 0", of(), False),
        ("all < margin", of(-1.0, -2.0), True),
        ("all < margin", of(-0.9, -2.0), False),
        ("all > -margin", of(1.0), True),
        ("any > 0", of(2.1), True),
        ("any > 0", of(2.1, 0.0), False),  # Holm: 2.24 standard errors for one of two
        ("any > 0", of(2.3, 0.0), True),
        ("any < 0", of(-2.3, None), True),
        ("at least 2 > 0", of(2.5, 2.5, 0.0), True),
        ("at least 2 > 0", of(2.5, 2.0, 0.0), False),
        ("more than half > 0", of(5.0, 5.0, 0.0, 0.0), False),
        ("more than half > 0", of(5.0, 5.0, 5.0, 0.0), True),
        ("mean > 0", of(9.0, 9.0, mean=1.0), False),
        ("mean > 0", of(0.0, 0.0, mean=2.0), True),
        ("mean > 0", of(9.0, 9.0), False),
        ("all = 0", of(0.0, 0.3, error=0.4), True),  # 0.3 + 1.645 * 0.4 = 0.96
        ("all = 0", of(0.0, 0.4, error=0.4), False),
        ("all = published", of(8.0, error=0.4, published=8.2), True),
        ("all = published", of(8.0, error=0.4, published=9.2), False),
        ("any != published", of(8.0, error=0.4, published=9.0), True),
        ("any != published", of(8.0, error=0.4, published=8.7), False),
        ("any != published", of(8.0, error=0.4), False),  # nothing is published
        ("mean < 0 or all > 0", of(2.0, mean=2.0), True),
        ("mean < 0 and all > 0", of(2.0, mean=2.0), False),
    ],
)
def test_a_rule(rule, facts, expected):
    """By hand, with the quantiles of the normal distribution."""
    assert holds(parse_rule(rule), facts) is expected


ESTIMATES = st.lists(st.floats(-5, 5), min_size=1, max_size=6)


@given(ESTIMATES)
def test_all_above_is_the_mirror_image_of_all_below(estimates):
    """The sign of a gain is a matter of which condition is named first."""
    mirrored = of(*(-estimate for estimate in estimates))
    for quantifier in ("all", "any", "more than half"):
        above = holds(parse_rule(f"{quantifier} > 0"), of(*estimates))
        assert above == holds(parse_rule(f"{quantifier} < 0"), mirrored)


@example([2.2] * 6)  # none of six holds after Holm's correction
@given(ESTIMATES)
def test_all_implies_any_and_any_is_at_least_one(estimates):
    """Whatever the comparisons."""
    facts = of(*estimates)
    if holds(parse_rule("all > 0"), facts):
        for quantifier in ("at least 1", "more than half"):
            assert holds(parse_rule(f"{quantifier} > 0"), facts)
    assert holds(parse_rule("any > 0"), facts) == holds(parse_rule("at least 1 > 0"), facts)


@given(ESTIMATES)
def test_the_order_of_comparisons_plays_no_part(estimates):
    """Nor does any of them come first."""
    for quantifier in ("all", "any", "at least 2", "more than half"):
        rule = parse_rule(f"{quantifier} > 0")
        assert holds(rule, of(*estimates)) == holds(rule, of(*reversed(estimates)))
