"""How numbers are written: one decimal, a real minus sign, a dash for an undefined number."""

from __future__ import annotations

import math
import re

from markupsafe import Markup, escape

MISSING = "–"
DAGGER = "†"
MINUS = "\N{MINUS SIGN}"


def known(value: float | None) -> bool:
    """Whether a number is defined."""
    return value is not None and not math.isnan(value)


def plain(value: float | None) -> str:
    """A score or a spread.

    >>> plain(61.25), plain(None)
    ('61.2', '–')
    """
    return f"{value:.1f}".replace("-", MINUS) if known(value) else MISSING


def signed(value: float | None) -> str:
    """A gain, always with its sign; zero has none.

    >>> signed(1.26), signed(-0.34), signed(-0.04)
    ('+1.3', '−0.3', '0.0')
    """
    if not known(value):
        return MISSING
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def bracketed(low: float, high: float) -> str:
    """An interval; empty if its ends are undefined.

    >>> bracketed(-0.3, 2.0)
    '[−0.3, +2.0]'
    """
    return f"[{signed(low)}, {signed(high)}]" if known(low) else ""


def probability(value: float | None) -> str:
    """A p-value or a q-value: three digits, never zero.

    >>> probability(0.04321), probability(0.00002), probability(None)
    ('0.043', '<0.001', '–')
    """
    if not known(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"  # type: ignore[operator]


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, in the singular or plural.

    >>> count(1, "seed"), count(1200, "score"), count(2, "family", "families")
    ('1 seed', '1,200 scores', '2 families')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def breakable(name: str) -> Markup:
    """A name for a narrow column: lines may break after its punctuation.

    >>> str(breakable("a_b<c"))
    'a_<wbr/>b&lt;c'
    """
    return Markup("<wbr/>").join(escape(part) for part in re.split(r"(?<=[_+@./-])", name))
