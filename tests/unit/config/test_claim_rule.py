"""Rules of claims are read from short texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.config.claim_rule import Criterion, parse_rule

CRITERIA = st.builds(
    lambda quantifier, sign, value, count: Criterion(
        quantifier, sign, value, count if quantifier == "at least" else 0
    ),
    st.sampled_from(["all", "any", "at least", "more than half", "mean"]),
    st.sampled_from([">", "<", "=", "!="]),
    st.sampled_from(["margin", "-margin", "published"])
    | st.integers(-9999, 9999).map(lambda cents: cents / 100),
    st.integers(1, 99),
)


def test_a_criterion_has_a_quantifier_a_sign_and_a_value():
    """As it reads."""
    assert parse_rule("at least 7 > 0") == ((Criterion("at least", ">", 0.0, 7),),)


def test_and_binds_closer_than_or():
    """As in speech."""
    assert parse_rule("mean > 0 and more than half > 0 or all = margin") == (
        (Criterion("mean", ">", 0.0), Criterion("more than half", ">", 0.0)),
        (Criterion("all", "=", "margin"),),
    )


@given(st.lists(st.lists(CRITERIA, min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_rule_that_is_written_out_is_read_back(rule):
    """Whatever it says, with any spaces between its words."""
    text = "  or ".join(" and ".join(map(str, alternative)) for alternative in rule)
    assert parse_rule(text) == tuple(map(tuple, rule))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("al > 0", "al > 0"),
        ("all > 0 and mean", "mean"),
        ("all >= 0", "all >= 0"),
        ("at least > 0", "at least > 0"),
        ("at least 0 > 0", "at least 0 > 0"),
        ("all > 1e3", "all > 1e3"),
        ("all > margins", "all > margins"),
        ("", ""),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_another_text_is_refused_with_the_part_that_is_wrong(text, wrong):
    """And with what is allowed."""
    with pytest.raises(ValueError, match="is not a criterion") as refused:
        parse_rule(text)
    assert str(refused.value).startswith(f"{wrong!r} is not a criterion; write criteria such as")
    assert "Allowed: all, any, mean, at least N, more than half" in str(refused.value)
