"""Durations and sizes as messages show them."""

from __future__ import annotations

import pytest

from xstilts.runtime.format import format_bytes, format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (90, "2 min"),
        (3599, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_a_duration_has_no_60_seconds_no_60_minutes_and_no_fractions(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_400_000, "3.4 MB"),
        (10**13, "10000.0 GB"),
    ],
)
def test_a_size_has_decimal_units_up_to_gigabytes(count, text):
    assert format_bytes(count) == text
