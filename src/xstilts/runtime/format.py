"""Seconds as people write them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Seconds as a person says them.

    >>> clock(42), clock(90), clock(7384)
    ('42 s', '2 min', '2 h 3 min')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
