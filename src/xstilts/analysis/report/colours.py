"""The colours of gains: blue for gains, orange for losses, near white for neither.

Blue and orange stay apart in the common kinds of colour blindness. Every number is also written
with its sign, so that colour is never the only carrier.
"""

from __future__ import annotations

from xstilts.analysis.report.numbers import known

Colour = tuple[int, int, int]

NEUTRAL = (247, 247, 245)
LOSS = ((244, 178, 110), (158, 72, 0))
GAIN = ((130, 180, 220), (8, 64, 129))
WHITE, BLACK = (255, 255, 255), (17, 20, 24)


def shade(gain: float, limit: float) -> Colour:
    """The colour of a gain on a scale that ends at ``limit``; white if it is undefined."""
    if not known(gain):
        return WHITE
    light, deep = GAIN if gain > 0 else LOSS
    share = min(1.0, abs(gain) / limit)
    return _mix(NEUTRAL, light, 2 * share) if share <= 0.5 else _mix(light, deep, 2 * share - 1)


def faded(colour: Colour, share: float) -> Colour:
    """A colour of which only a share is left, on white."""
    return _mix(WHITE, colour, share)


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour."""
    return max(BLACK, WHITE, key=lambda ink: contrast(ink, background))


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def in_hex(colour: Colour) -> str:
    """As CSS and matplotlib read it.

    >>> in_hex((8, 64, 129))
    '#084081'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _mix(start: Colour, end: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def _luminance(rgb: Colour) -> float:
    """Relative luminance (WCAG 2.2, "relative luminance")."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
