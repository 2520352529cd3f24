"""Corrections for many comparisons."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.analysis.statistics.multiplicity import all_of, dunnett, false_discovery, holm

shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(shares)
def test_corrected_values_are_larger_and_at_most_one(p):
    for corrected in (false_discovery(p), holm(p)):
        assert all(old - 1e-12 <= new <= 1 for old, new in zip(p, corrected, strict=True))


@given(shares)
def test_holm_is_at_least_as_strict_as_the_false_discovery_rate(p):
    pairs = zip(false_discovery(p), holm(p), strict=True)
    assert all(q <= strict + 1e-12 for q, strict in pairs)


def test_undefined_values_do_not_count():
    assert holm([0.01, math.nan, 0.04])[0] == pytest.approx(0.02)
    assert math.isnan(false_discovery([math.nan, 0.5])[0])


def test_all_of_needs_the_weakest():
    assert all_of([0.001, 0.03]) == 0.03
    assert math.isnan(all_of([]))


def test_dunnett_finds_the_condition_that_differs():
    baseline = [50.0, 50.4, 49.7, 50.1]
    p = dunnett([[50.2, 49.9, 50.3, 49.8], [55.0, 54.6, 55.2, 54.9]], baseline)
    assert p[0] > 0.5
    assert p[1] < 0.001
