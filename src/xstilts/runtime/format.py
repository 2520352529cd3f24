"""Durations and sizes as messages show them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Seconds in the largest fitting units, without fractions.

    >>> format_duration(42), format_duration(90), format_duration(7384)
    ('42 s', '2 min', '2 h 3 min')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_bytes(count: int) -> str:
    """A number of bytes in decimal units.

    >>> format_bytes(999), format_bytes(20_500), format_bytes(3_400_000)
    ('999 B', '20.5 kB', '3.4 MB')
    """
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
