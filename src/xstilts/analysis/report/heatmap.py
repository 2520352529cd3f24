"""The colours of gains: blue for gains, orange for losses, near white for neither.

Blue and orange stay apart in the common kinds of colour blindness. Every number is also written
with its sign, so that colour is never the only carrier. One scale serves the whole report.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xstilts.analysis.report.numbers import known

STEPS = 10
"""Shades on either side of zero."""

LIMITS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)

NEUTRAL = (247, 247, 245)
LOSS = ((244, 178, 110), (158, 72, 0))
GAIN = ((130, 180, 220), (8, 64, 129))

Colour = tuple[int, int, int]


class Shade(NamedTuple):
    """A colour of the legend."""

    css: str
    """The CSS class, as `shade` gives it."""
    gain: float


def limit_of(gains: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Where the scale ends: a round number that at least 95 % of the gains do not exceed.

    Not the largest gain: one outlier would make all other gains look pale.
    """
    sizes = np.abs(gains[~np.isnan(gains)])
    reach = float(np.quantile(sizes, 0.95)) if sizes.size else 0.0
    return next((limit for limit in LIMITS if limit >= reach), LIMITS[-1])


def shade(gain: float, limit: float) -> str:
    """The CSS class of a gain: ``n10`` … ``n1``, ``z``, ``p1`` … ``p10``; empty for NaN.

    >>> shade(0.1, 5), shade(1.0, 5), shade(-9.0, 5)
    ('z', 'p2', 'n10')
    """
    if not known(gain):
        return ""
    step = min(STEPS, round(abs(gain) / limit * STEPS))
    return f"{'p' if gain > 0 else 'n'}{step}" if step else "z"


def legend(limit: float) -> list[Shade]:
    """Some shades with the gain that each stands for, from loss to gain."""
    steps = (-STEPS, -6, -3, 0, 3, 6, STEPS)
    gains = [step / STEPS * limit for step in steps]
    return [Shade(shade(gain, limit), gain) for gain in gains]


def stylesheet() -> str:
    """CSS rules for all shades; no character of it needs escaping."""
    rules = [_rule("z", NEUTRAL)]
    for letter, ends in (("p", GAIN), ("n", LOSS)):
        rules += [_rule(f"{letter}{k}", colour(k, ends)) for k in range(1, STEPS + 1)]
    return "\n".join(rules)


def colour(step: int, ends: tuple[Colour, Colour]) -> Colour:
    """Neutral to a light tone over the first half of the steps, on to a deep tone over the rest."""
    half = STEPS / 2
    start, end, share = (
        (NEUTRAL, ends[0], step / half) if step <= half else (*ends, (step - half) / half)
    )
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour."""
    dark, light = (17, 20, 24), (255, 255, 255)
    return max(dark, light, key=lambda ink: contrast(ink, background))


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(rgb: Colour) -> float:
    """Relative luminance (WCAG 2.2, "relative luminance")."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rule(name: str, background: Colour) -> str:
    return f".{name} {{ background: {_hex(background)}; color: {_hex(ink_on(background))} }}"


def _hex(rgb: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
